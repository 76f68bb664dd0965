/** What Permit2 lacks for a payment. */
export interface AllowanceNeed {
  /** The token. */
  asset: string;
  /** Atomic units. */
  amount: bigint;
  /** Permit2. */
  spender: string;
}

/**
 * Whether the client may sign an EIP-2612 permit for Permit2 where an allowance is missing and the server has it submitted:
 * `"permit"` for the amount of each such payment, or a question to be answered each time.
 */
export type AllowancePolicy = "permit" | ((need: AllowanceNeed) => boolean | Promise<boolean>);
