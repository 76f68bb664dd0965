import { id, Wallet } from "ethers";
import type { PaymentFacts, PaymentTerms, UptoPayment, WitnessedPayment } from "#facilitator/checks/payment.ts";
import {
  authorizationOf,
  paymentDigestOf,
  paymentTypedData,
  type TaskAuthorization,
  type ClaimedRequirements,
} from "#protocol/payment.ts";
import { proxyAddresses, type ProxyAuthorization, proxyPaymentDigest, proxyTypedData } from "#protocol/proxyPayment.ts";
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
  entry: addressOf("entry"),
  maxTaskSeconds: 600,
  settleWindowSeconds: 60,
  withdrawDelaySeconds: 960,
  exposureCap: 10_000n,
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
  outstanding: 0n,
  lock: "none",
  entriesPaused: false,
  nodeActive: true,
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

function makeTask(changes: Partial<Task> = {}): Task {
  return {
    payer: payer.address,
    node: addressOf("node"),
    model: id("version"),
    request: id("request"),
    policy: policies.reExecution,
    maxAmount: 1000n,
    deadline: now + 300,
    nonce: 7n,
    ...changes,
  };
}

const plain = { identifier: null, permit: "absent" as const };

/** A payment of 1000 atomic units by scheme `task`, signed by ethers after the changes were made. */
export async function makePayment(changes: PaymentChanges = {}): Promise<WitnessedPayment> {
  const task = makeTask(changes.task);
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
  const signature = await payer.signTypedData(domain, types, value);
  const digest = paymentDigestOf(authorization, terms.chainId);
  return { ...plain, scheme: "task", task: authorization.witness, signature, digest, authorization, requirements };
}

/** What differs from a payment by scheme `upto` that passes every check. */
export interface UptoChanges {
  authorization?: Partial<ProxyAuthorization>;
  witness?: Partial<ProxyAuthorization["witness"]>;
  requirements?: Partial<UptoPayment["requirements"]>;
  /** What the gateway proposes. */
  task?: Partial<Task>;
  permit?: UptoPayment["permit"];
  /** Chain id that is signed for. */
  chainId?: bigint;
}

/** A payment of 1000 atomic units by scheme `upto`, signed by ethers after the changes were made. */
export async function makeUptoPayment(changes: UptoChanges = {}): Promise<UptoPayment> {
  const { taskEscrow, token, entry, settleWindowSeconds, network, chainId } = terms;
  const authorization: ProxyAuthorization = {
    from: payer.address,
    permitted: { token, amount: 1000n },
    spender: proxyAddresses.upto,
    nonce: 7n,
    deadline: BigInt(now + 300 + settleWindowSeconds),
    witness: { to: taskEscrow, facilitator: entry, validAfter: BigInt(now), ...changes.witness },
    ...changes.authorization,
  };
  const { domain, types, value } = proxyTypedData("upto", authorization, changes.chainId ?? chainId);
  const requirements = { network, amount: 1000n, asset: token, payTo: taskEscrow, ...changes.requirements };
  const signature = await payer.signTypedData(domain, types, value);
  const extensions = { identifier: null, permit: changes.permit ?? plain.permit };
  const digest = proxyPaymentDigest("upto", authorization, chainId);
  return {
    ...{ ...extensions, scheme: "upto", signature, digest, authorization, requirements, task: makeTask(changes.task) },
    proxy: { ...extensions, scheme: "upto", signature, digest, permit2Authorization: authorization, requirements },
  };
}
