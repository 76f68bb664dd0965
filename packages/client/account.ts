/** Where an account stands; amounts in atomic units of OPG. */
export interface AccountView {
  payer: string;
  facilitator: string;
  /** The highest cap that a voucher was signed for: batches never take more than this in the account's whole life. */
  cap: bigint;
  /** What calls were charged in the account's whole life, as far as this client's state knows. */
  charged: bigint;
  /** Ceilings of calls that are under way, or whose end nobody heard. */
  reserved: bigint;
  /** What facilitator and verifiers together could take beyond what calls were charged. */
  atStake: bigint;
  /** Read from the chain where the client has an `rpcUrl`. */
  onChain: AccountOnChainView | null;
}

/** What the chain shows of an account; amounts in atomic units. */
export interface AccountOnChain {
  balance: bigint;
  /** What batches took in the account's whole life. */
  spent: bigint;
  /** On its way back to the payer. */
  withdrawing: bigint;
  /** From when on, seconds since 1970; 0 where nothing is. */
  withdrawableAt: number;
  /** Who signs for the account now. */
  authorizer: string;
}

/** What the chain says, held against the client's own books. */
export interface AccountOnChainView extends AccountOnChain {
  /** Whether the client's signer signs for the account. */
  isAuthorized: boolean;
  /** Taken beyond all that this client knows to be charged or reserved: by calls of others, or by nobody's leave. */
  unaccounted: bigint;
}

/** The payer's account at one facilitator. Whatever changes it is a transaction, which takes a signer that can send one. */
export interface Account {
  /**
   * Where the account stands.
   *
   * @throws OpgError `chain_unavailable`
   */
  show(): Promise<AccountView>;
  /**
   * Puts OPG of the signer's into the account; the first time that opens it.
   *
   * @param options - `by`: `permit` signs the approval and sends one transaction; `approve` sends two, for wallets that are
   * contracts
   * @returns hash of the transaction
   * @throws OpgError `configuration` for a signer that cannot send, or without `rpcUrl`; `chain_unavailable`, `timeout`
   */
  deposit(options: { amount: bigint; by?: "permit" | "approve" }): Promise<string>;
  /** Asks for an amount back, in place of what was asked for before; 0 takes that back. @returns from when on it can be had */
  initiateWithdraw(options: { amount: bigint }): Promise<number>;
  /** Pays what was asked for to the payer, once its time has come. @returns hash of the transaction */
  finalizeWithdraw(): Promise<string>;
  /** Names another key that signs vouchers and tasks; the one before counts for the withdrawal delay more. */
  setAuthorizer(options: { authorizer: string }): Promise<string>;
}
