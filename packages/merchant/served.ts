/**
 * How an answer ended: `complete`; `hung_up` by the client; `failed`, because the handler threw, answered 400 or more, or its
 * stream broke off; `expired`, ended here while the payment still holds long enough to be settled.
 */
export type Ending = "complete" | "hung_up" | "failed" | "expired";

/** What was served for a payment. */
export interface Served {
  /** The request as the handler got it. */
  request: Request;
  /** Status of the answer; 0 where there was none. */
  status: number;
  /** Bytes of the body that the connection took. */
  bytes: number;
  /** In how many pieces. */
  chunks: number;
  ending: Ending;
}
