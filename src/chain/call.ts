/** A call to a contract, ready to be signed: adapters make it, whoever pays the gas sends it. */
export interface Call {
  to: string;
  data: string;
  /** Wei sent along. */
  value?: bigint;
  /** Most gas that it may need; where left out, as much as it does. */
  gasLimit?: bigint;
}
