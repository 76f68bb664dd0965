/** How a client pays out of a prefunded account. Amounts are atomic units of OPG. */
export interface AccountOptions {
  /**
   * The most that may be at stake. A voucher is a ceiling over the account's whole life, so each one is signed for at most this
   * much more than what calls were charged so far: the facilitator and a quorum of verifiers together could take that.
   */
  maxAtStake: bigint;
  /** The most that vouchers may ever allow to be taken, over the account's whole life. */
  maxCap?: bigint;
  /** Whose account it is, where the signer is its voucher key (`setAuthorizer`); the signer's own where left out. */
  payer?: string;
  /** At which of the network's facilitators; the first where left out. */
  facilitator?: string;
}
