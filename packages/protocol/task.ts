import { TypedDataEncoder } from "ethers";
import { z } from "zod";
import { address, bytes, bytes32, timestamp, uint } from "./hex.ts";
import { type Domain, taskEscrowDomain, typesOf } from "./typedData.ts";

/** How a result is checked; the value of {@link Task.policy} and of a verdict's `mode`. */
export const policies = { reExecution: 0, enclave: 1, native: 2 } as const;

/** The work, signed by the payer as the witness of the payment. */
export interface Task {
  payer: string;
  /** Signing address of the node's enclave. */
  node: string;
  /** versionId of the model. */
  model: string;
  /** Salted digest of version and inputs, see `requestDigest`. */
  request: string;
  policy: number;
  /** Ceiling of the charge, atomic units. */
  maxAmount: bigint;
  /** The result is due by then, seconds since 1970. */
  deadline: number;
  /** The Permit2 nonce: (payer, nonce) funds one task. */
  nonce: bigint;
}

/** Wire shape of {@link Task}. */
export const taskJson = z.strictObject({
  payer: address,
  node: address,
  model: bytes32,
  request: bytes32,
  policy: z.int().min(0).max(255),
  maxAmount: uint(128),
  deadline: timestamp,
  nonce: uint(256),
});

/** {@link Task} as it is sent: amounts and nonce as decimal strings. */
export type TaskJson = z.input<typeof taskJson>;

/** Writes a task for the wire. */
export function taskToJson(task: Task): TaskJson {
  return { ...task, maxAmount: task.maxAmount.toString(), nonce: task.nonce.toString() };
}

/** The task's identity everywhere: its full EIP-712 digest in TaskEscrow's domain. */
export function taskIdOf(task: Task, taskEscrow: Domain): string {
  return TypedDataEncoder.hash(taskEscrowDomain(taskEscrow), typesOf("Task"), task);
}

/** A facilitator's word that the payment of a task was checked, claimed and locked; a node computes nothing without it. */
export interface Release {
  taskId: string;
  /** Digest that the payer signed, see `paymentDigestOf`. */
  paymentDigest: string;
  /** Seconds since 1970. */
  releasedAt: number;
}

/** Wire shape of a signed {@link Release}; `facilitator` is its signer. */
export const signedReleaseJson = z.strictObject({
  taskId: bytes32,
  paymentDigest: bytes32,
  releasedAt: timestamp,
  facilitator: address,
  signature: bytes,
});

export type SignedRelease = z.output<typeof signedReleaseJson>;

/** What the facilitator signs. */
export function releaseTypedData(release: Release, taskEscrow: Domain) {
  const { taskId, paymentDigest, releasedAt } = release;
  return {
    domain: taskEscrowDomain(taskEscrow),
    types: typesOf("Release"),
    value: { taskId, paymentDigest, releasedAt },
  };
}

/** Where a task can stand. `claimed` precedes the lock; `rejected` never locked anything. */
export const taskStates = [
  "claimed",
  "rejected",
  "released",
  "answered",
  "certified",
  "settled",
  "refused",
  "expired",
  "refunded",
] as const;

export type TaskState = (typeof taskStates)[number];
