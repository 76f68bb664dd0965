import type { Network } from "#protocol/network.ts";

/** The facilitator that this gateway's offers name. */
export function facilitatorOf({ facilitators }: Network): Network["facilitators"][number] {
  const [first] = facilitators;
  if (!first) throw new Error("the network names no facilitator");
  return first;
}
