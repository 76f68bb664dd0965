import { OpgError } from "../protocol/errors.ts";
import { bytes32 } from "../protocol/hex.ts";
import type { ClientOptions } from "./clientOptions.ts";

/**
 * The measurements that a payer insists on, spelled as the chain does; nothing where any will do.
 *
 * @throws OpgError `configuration`
 */
export function acceptedMeasurements({ measurements, network }: ClientOptions): string[] | undefined {
  if (measurements === undefined) return undefined;
  if (network === undefined) {
    const message =
      "To insist on measurements the client must know which registry counts: create it with network, too.";
    throw new OpgError("configuration", message, { option: "network" });
  }
  const read = measurements.map((measurement) => bytes32.safeParse(measurement).data);
  const accepted = read.filter((measurement) => measurement !== undefined);
  if (accepted.length > 0 && accepted.length === read.length) return accepted;
  const message =
    "measurements must name at least one, each by 0x and 64 hex digits; leave it out to take any that is approved.";
  throw new OpgError("configuration", message, { option: "measurements" });
}
