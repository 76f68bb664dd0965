import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { TypedDataEncoder } from "ethers";
import { z } from "zod";
import { address, bytes, bytes32, uint } from "./hex.ts";
import { type Task, taskJson, type TaskJson, taskToJson } from "./task.ts";
import { domainSeparator, type Keccak, portableKeccak, signedDigest, structHash } from "./structHash.ts";
import { signedTypes, type TypedDataDomain, type TypedDataField } from "./typedData.ts";

/** Permit2's address on every chain. */
export const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";

/** The x402 scheme of the native path: Permit2 with the task itself as witness. */
export const TASK_SCHEME = "task";

/** What the payer signs: a Permit2 transfer to TaskEscrow whose witness is the task. */
export interface TaskAuthorization {
  from: string;
  permitted: { token: string; amount: bigint };
  spender: string;
  nonce: bigint;
  /** Seconds since 1970: the task's deadline plus the settle window. */
  deadline: bigint;
  witness: Task;
}

const taskAuthorizationJson = z.strictObject({
  from: address,
  permitted: z.strictObject({ token: address, amount: uint(256) }),
  spender: address,
  nonce: uint(256),
  deadline: uint(256),
  witness: taskJson,
});

/** `payload` of a {@link PaymentPayload} of scheme `task`; named like x402's own Permit2 payloads. */
export const taskPayloadJson = z.strictObject({ signature: bytes, permit2Authorization: taskAuthorizationJson });

export type TaskPayload = z.output<typeof taskPayloadJson>;
export type TaskPayloadJson = z.input<typeof taskPayloadJson>;

/** `extra` of the requirements of scheme `task`. */
export const taskExtraJson = z.object({
  task: taskJson,
  salt: bytes32,
  facilitator: address,
  settleWindowSeconds: z.int().min(0),
});

export type TaskExtra = z.output<typeof taskExtraJson>;

/** x402's requirements with amount and addresses read; `extra` as the scheme defines it. */
export const taskRequirementsJson = z.object({
  scheme: z.string(),
  network: z.string(),
  amount: uint(256),
  asset: address,
  payTo: address,
  maxTimeoutSeconds: z.number(),
  extra: taskExtraJson,
});

export type TaskRequirements = z.output<typeof taskRequirementsJson>;

/** The same as a facilitator reads it, which is told no salt. */
export const claimedRequirementsJson = taskRequirementsJson.extend({ extra: taskExtraJson.omit({ salt: true }) });

export type ClaimedRequirements = z.output<typeof claimedRequirementsJson>;

/** Body of the facilitator's `POST /tasks`, in x402's names. */
export interface TaskPaymentBody {
  x402Version: number;
  paymentPayload: PaymentPayload;
  paymentRequirements: PaymentRequirements;
}

/** EIP-712 types of the authorization, `Task` being the witness. */
const permitTypes: Record<string, TypedDataField[]> = {
  PermitWitnessTransferFrom: [
    { name: "permitted", type: "TokenPermissions" },
    { name: "spender", type: "address" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
    { name: "witness", type: "Task" },
  ],
  TokenPermissions: [
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
  Task: signedTypes.Task.map((field) => ({ ...field })),
};

/** Typed data of a payment in the three parts that ethers' and viem's signers take. */
export interface PaymentTypedData {
  domain: TypedDataDomain;
  types: Record<string, TypedDataField[]>;
  value: Record<string, unknown>;
}

/** The authorization that pays for a task: everything in it follows from the task. */
export function authorizationOf(
  task: Task,
  terms: { token: string; taskEscrow: string; settleWindowSeconds: number },
): TaskAuthorization {
  return {
    from: task.payer,
    permitted: { token: terms.token, amount: task.maxAmount },
    spender: terms.taskEscrow,
    nonce: task.nonce,
    deadline: BigInt(task.deadline + terms.settleWindowSeconds),
    witness: task,
  };
}

/** Permit2's own domain on a chain; it has no version. */
export function permit2Domain(chainId: bigint): TypedDataDomain {
  return { name: "Permit2", chainId, verifyingContract: PERMIT2 };
}

const separators = new Map<bigint, Uint8Array>();

/** Hash of {@link permit2Domain}; of each chain it is computed once. */
export function permit2Separator(chainId: bigint): Uint8Array {
  const known = separators.get(chainId) ?? domainSeparator(permit2Domain(chainId));
  separators.set(chainId, known);
  return known;
}

/** What the payer signs. */
export function paymentTypedData(authorization: TaskAuthorization, chainId: bigint): PaymentTypedData {
  const { permitted, spender, nonce, deadline, witness } = authorization;
  return {
    domain: permit2Domain(chainId),
    types: permitTypes,
    value: { permitted, spender, nonce, deadline, witness },
  };
}

const hashAuthorization = structHash(permitTypes, "PermitWitnessTransferFrom");

/**
 * Digest that the payer signs; a release names it.
 *
 * @param keccak - where a faster one than ethers' is at hand
 */
export function paymentDigestOf(
  authorization: TaskAuthorization,
  chainId: bigint,
  keccak: Keccak = portableKeccak,
): string {
  return signedDigest(permit2Separator(chainId), hashAuthorization(authorization, keccak), keccak);
}

/** The same document as `eth_signTypedData_v4` takes it. */
export function paymentTypedDataJson(authorization: TaskAuthorization, chainId: bigint): unknown {
  const { domain, types, value } = paymentTypedData(authorization, chainId);
  return TypedDataEncoder.getPayload(domain, types, value);
}

/** Writes an authorization for the wire. */
export function authorizationToJson(authorization: TaskAuthorization): TaskPayloadJson["permit2Authorization"] {
  const { from, permitted, spender, nonce, deadline, witness } = authorization;
  return {
    from,
    permitted: { token: permitted.token, amount: permitted.amount.toString() },
    spender,
    nonce: nonce.toString(),
    deadline: deadline.toString(),
    witness: taskToJson(witness) satisfies TaskJson,
  };
}
