import type { PaidRoute } from "./options.ts";
import type { Served } from "./served.ts";

/**
 * What is charged for an answer, atomic units from 0 to the route's amount.
 *
 * Nothing is charged for an answer of 400 or more, nor before the first byte of one that did not come to its end. Otherwise
 * the route's `charge` decides; without one all is charged, unless the handler broke its answer off.
 *
 * @throws TypeError when `charge` returns anything but a bigint; and whatever it throws
 */
export function chargeOf({ scheme, amount, charge }: PaidRoute, served: Served): bigint {
  const { status, bytes, ending } = served;
  if (status >= 400 || (bytes === 0 && ending !== "complete")) return 0n;
  if (scheme === "exact" || charge === undefined) return ending === "failed" ? 0n : amount;
  const charged = charge(served);
  if (typeof charged !== "bigint") {
    // A promise that is refused here must not end the process when it fails.
    Promise.resolve<unknown>(charged).catch(() => undefined);
    throw new TypeError("it returned no bigint");
  }
  if (charged < 0n) return 0n;
  return charged < amount ? charged : amount;
}
