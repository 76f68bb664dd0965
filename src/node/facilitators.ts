import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";

/** One of the network's facilitators. */
export type Facilitator = Network["facilitators"][number];

/** @returns who released a task, and so who takes its certificate @throws OpgError `invalid_release` */
export function findFacilitator({ facilitators }: Pick<Network, "facilitators">, released: string): Facilitator {
  const facilitator = facilitators.find(({ address }) => address === released);
  if (facilitator) return facilitator;
  throw unknownFacilitator(released);
}

/** The error for a release by somebody who may not release. */
export function unknownFacilitator(facilitator: string): OpgError {
  const message = `${facilitator} is no facilitator of this network; pay through one that is.`;
  return new OpgError("invalid_release", message, { facilitator });
}
