import type { PaymentPayload } from "@x402/core/types";
import type { PREFUNDED_SCHEME } from "../protocol/prefunded.ts";
import type { TASK_SCHEME } from "../protocol/payment.ts";
import type { Task } from "../protocol/task.ts";
import type { GatewayAnswer } from "./callGateway.ts";
import type { Offer } from "./checkOffer.ts";

/** A task that somebody signed for. */
export interface SignedTask {
  task: Task;
  /** As a release of it must name it. */
  paymentDigest: string;
  /** Nobody is paid for it after this, seconds since 1970. */
  expiresAt: number;
  /** Where its node's share goes, as the chain said; nothing where no chain was asked. */
  payout?: string | undefined;
}

/** A signed task with what the gateway is sent for it. */
export interface SignedOffer extends SignedTask {
  payload: PaymentPayload["payload"];
}

/** What a payment was sent again with, because it was refused for the lack of it. */
export type Amendment = Pick<PaymentPayload, "payload"> | Required<Pick<PaymentPayload, "extensions">>;

/** What an inference is paid from: the wallet, or a prefunded account. One for each inference. */
export interface Purse {
  /** The entry of an offer that it pays. */
  readonly scheme: typeof TASK_SCHEME | typeof PREFUNDED_SCHEME;
  /** Whose money it is, checksummed. */
  readonly payer: string;
  /** Name of chain and payer together. */
  readonly account: string;
  /** The one that may release it, where not any of the network's. */
  readonly facilitator?: string;
  /** Signs for an offered task; for another one in its place only when the first pays for nothing any more. */
  sign(offer: Offer): Promise<SignedOffer>;
  /** What a refused payment lacks and the payer agrees to give. */
  amend(signed: SignedOffer, refused: GatewayAnswer): Promise<Amendment | undefined>;
  /** Told what the inference cost, once that is certain. */
  end(charge: bigint): Promise<void>;
}
