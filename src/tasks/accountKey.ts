import type { AccountKey } from "#chain/accounts.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import { readAddress } from "./readArguments.ts";

/** The facilitator that a person named, or the network's first. @throws OpgError `invalid_body`, `configuration` */
export function facilitatorIn({ facilitators }: Network, text: string): string {
  const named = text === "" ? facilitators[0]?.address : readAddress(text);
  if (named !== undefined) return named;
  throw new OpgError("configuration", "The network names no facilitator; name one with --facilitator.");
}

/** An account by what a person typed. */
export function accountKey(network: Network, payer: string, facilitator: string): AccountKey {
  return { payer, facilitator: facilitatorIn(network, facilitator) };
}
