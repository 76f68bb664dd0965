/** How a node can stand in the registry, in the contract's order. */
export const nodeStatuses = ["none", "active", "retired", "revoked"] as const;

/** What the chain says of a receipt that holds. */
export interface OnChainFacts {
  /** How the node that ran it stands today; it was admitted by a certificate of the verifiers in any case. */
  node: Exclude<(typeof nodeStatuses)[number], "none">;
  /** How many of the verdicts are of members of the verifier set. */
  verifiers: number;
  /** Hash of the transaction that settled it; `null` while there is none. */
  settledBy: string | null;
}
