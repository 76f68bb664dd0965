import type { Served } from "./served.ts";

/** What one route costs and how it is charged. */
export interface PaidRoute {
  /** x402's scheme: `exact` takes all of the amount or nothing, `upto` takes what `charge` says, at most the amount. */
  scheme: "exact" | "upto";
  /** Price, or ceiling of it; atomic units of the asset. */
  amount: bigint;
  /**
   * The charge for what was served, atomic units; only under `upto`. Less than 0 counts as 0, more than the amount as the
   * amount. Where it is left out, all of the amount is charged. Not asked where nothing is charged in any case. Where it throws
   * or returns no bigint (a promise is none), nothing is charged and `onFailed` says `charge_failed`.
   */
  charge?: (served: Served) => bigint;
  /** How long a payment has to hold from its signature on; a stream is ended a minute before that. 600 where left out. */
  maxTimeoutSeconds?: number;
  /** What is sold, for people who read the offer. */
  description?: string;
  mimeType?: string;
}

/** A token that payments are made in. */
export interface Asset {
  /** Its contract. */
  address: string;
  /** Name and version of its EIP-712 domain, by which a payer without gas can allow the payment. */
  name: string;
  version: string;
}

/** What a merchant sells, for whom it is paid, and by whom it is settled. */
export interface MerchantOptions {
  /** URL of an OPG facilitator. */
  facilitator: string;
  /** CAIP-2 name of the chain, such as `eip155:8453`. */
  network: `eip155:${number}`;
  asset: Asset;
  /** Address that is paid. */
  payTo: string;
  /** By `VERB /path`, in x402's patterns (`GET /reports/:id`, `/api/*`); other requests are answered 404, or by `unlisted`. */
  routes: Readonly<Record<string, PaidRoute>>;
  /** Called when a payment is settled, for 0 too. What it throws is dropped. Of each payment either this or `onFailed` hears. */
  onSettled?: (settled: SettledPayment) => void;
  /** Called when a payment is lost, its charge failed, or its end cannot be found out in time. What it throws is dropped. */
  onFailed?: (failed: FailedPayment) => void;
  /** Seconds since 1970, in place of the platform's clock. */
  clock?: () => number;
}

/** A payment that came to its end. */
export interface EndedPayment {
  /** What the payer signed: the EIP-712 digest by which the facilitator, too, names the settlement. */
  id: string;
  payer: string;
  /** What is charged, atomic units. */
  amount: bigint;
  /** What was signed for, atomic units. */
  authorized: bigint;
  /** What was served for it. */
  served: Served;
}

/** A payment that was settled. */
export interface SettledPayment extends EndedPayment {
  /** Hash of the transaction; empty where nothing was charged. */
  transaction: string;
}

/** A payment that brought nothing. */
export interface FailedPayment extends EndedPayment {
  /**
   * The facilitator's reason; `settlement_unknown` where it could not be asked in time; `charge_failed` where the route's
   * `charge` threw or returned no bigint.
   */
  reason: string;
  message: string;
}
