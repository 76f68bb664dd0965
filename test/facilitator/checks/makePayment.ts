import { id, Wallet } from "ethers";
import type { PaymentFacts, PaymentTerms, TaskPayment } from "#facilitator/checks/payment.ts";
import {
  authorizationOf,
  paymentTypedData,
  type TaskAuthorization,
  type ClaimedRequirements,
} from "#protocol/payment.ts";
import { policies, type Task } from "#protocol/task.ts";

/** The moment of every check below, seconds since 1970. */
export const now = 1_800_000_000;

export const payer = new Wallet(id("the payer of the checks"));

const addressOf = (name: string): string => new Wallet(id(name)).address;

export const terms: PaymentTerms = {
  chainId: 31_337n,
  network: "eip155:31337",
  taskEscrow: addressOf("TaskEscrow"),
  token: addressOf("OPG"),
  facilitator: addressOf("facilitator"),
  maxTaskSeconds: 600,
  settleWindowSeconds: 60,
};

/** Somebody who has nothing to do with it. */
export const stranger = addressOf("stranger");

/** What the chain says when everything is fine: exactly enough, and nothing used. */
export const facts: PaymentFacts = {
  block: { number: 1, timestamp: now },
  balance: 1000n,
  allowance: 1000n,
  nonceUsed: false,
  tokenHasCode: true,
  payerHasCode: false,
  lock: "none",
  claim: "free",
};

/** What differs from a payment that passes every check. */
export interface PaymentChanges {
  task?: Partial<Task>;
  authorization?: Partial<TaskAuthorization>;
  requirements?: Partial<ClaimedRequirements>;
  /** Chain id that is signed for. */
  chainId?: bigint;
}

/** A payment of 1000 atomic units, signed by ethers after the changes were made. */
export async function makePayment(changes: PaymentChanges = {}): Promise<TaskPayment> {
  const task: Task = {
    payer: payer.address,
    node: addressOf("node"),
    model: id("version"),
    request: id("request"),
    policy: policies.reExecution,
    maxAmount: 1000n,
    deadline: now + 300,
    nonce: 7n,
    ...changes.task,
  };
  const authorization = { ...authorizationOf(task, terms), ...changes.authorization };
  const { domain, types, value } = paymentTypedData(authorization, changes.chainId ?? terms.chainId);
  const { taskEscrow, token, facilitator, settleWindowSeconds, network } = terms;
  const requirements: ClaimedRequirements = {
    scheme: "task",
    network,
    amount: 1000n,
    asset: token,
    payTo: taskEscrow,
    maxTimeoutSeconds: 300,
    extra: { task, facilitator, settleWindowSeconds },
    ...changes.requirements,
  };
  return { signature: await payer.signTypedData(domain, types, value), authorization, requirements };
}
