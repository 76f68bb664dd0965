import type { PaymentFacts as ChainFacts } from "#chain/chainFacts.ts";
import type { TaskLock } from "#chain/taskEscrow.ts";
import type { TaskAuthorization, ClaimedRequirements } from "#protocol/payment.ts";

/** A payment of scheme `task` as it was sent, read but not checked. */
export interface TaskPayment {
  signature: string;
  authorization: TaskAuthorization;
  requirements: ClaimedRequirements;
}

/** What this facilitator takes payments for. */
export interface PaymentTerms {
  chainId: bigint;
  /** CAIP-2 name of the chain. */
  network: string;
  taskEscrow: string;
  /** The token that TaskEscrow holds. */
  token: string;
  /** Our own address. */
  facilitator: string;
  maxTaskSeconds: number;
  settleWindowSeconds: number;
}

/** What the chain, and our own claims, say about a payment at the moment of the check. */
export interface PaymentFacts extends ChainFacts {
  /** What TaskEscrow has locked for the task. */
  lock: TaskLock["status"];
  /** Who holds (payer, nonce) in our own store. */
  claim: "free" | "sameTask" | "otherTask";
}
