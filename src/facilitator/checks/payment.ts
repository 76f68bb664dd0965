import type { TaskLock } from "#chain/taskEscrow.ts";
import type { AllowancePermit } from "#protocol/gasSponsoring.ts";
import type { ClaimedRequirements, TaskAuthorization } from "#protocol/payment.ts";
import type { ProxyAuthorization } from "#protocol/proxyPayment.ts";
import type { Task } from "#protocol/task.ts";
import type { ProxyFacts, ProxyPayment, ProxyRequirements } from "./proxyPayment.ts";

/** A Permit2 signature, as far as every scheme has it. */
export interface SignedPayment {
  signature: string;
  /** Digest that the payer signed. */
  digest: string;
  authorization: Pick<ProxyAuthorization, "from" | "permitted" | "nonce">;
}

/** What a payment for a task has under either scheme. */
interface ForTask extends SignedPayment {
  task: Task;
  /** x402's payment-identifier. */
  identifier: string | null;
  /** A permit that we are to submit for the payer. */
  permit: AllowancePermit | "absent" | "malformed";
}

/** A payment of scheme `task` as it was sent, read but not checked; its task is what the payer signed. */
export interface WitnessedPayment extends ForTask {
  scheme: "task";
  authorization: TaskAuthorization;
  requirements: ClaimedRequirements;
}

/** A payment of scheme `upto` to TaskEscrow, read but not checked; its task is what the gateway proposes. */
export interface UptoPayment extends ForTask {
  scheme: "upto";
  authorization: ProxyAuthorization;
  requirements: ProxyRequirements;
  /** The same as a payment by x402's proxy. */
  proxy: ProxyPayment;
}

/** A payment for a task. */
export type TaskPayment = WitnessedPayment | UptoPayment;

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
  /** Our clone at TaskEscrow, whom `upto` authorizations for tasks name as their facilitator. */
  entry: string;
  maxTaskSeconds: number;
  settleWindowSeconds: number;
  /** How long a payer waits for what it takes out of its account. */
  withdrawDelaySeconds: number;
  /** What one payer may owe of a token without a lock, atomic units. */
  exposureCap: bigint;
}

/** What the chain, and our own claims, say about a payment for a task at the moment of the check. */
export interface PaymentFacts extends ProxyFacts {
  /** What TaskEscrow has locked for the task. */
  lock: TaskLock["status"];
  /** Whether governance has stopped new tasks. */
  entriesPaused: boolean;
  /** Whether the registry lets the task's node take new tasks. */
  nodeActive: boolean;
  /** Who has the nonce, or else the payment-identifier, in our own store. */
  claim: "free" | "same" | "other";
}
