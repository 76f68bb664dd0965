import secp256k1 from "secp256k1";
import { domainSeparator, signedDigest, structHash } from "#protocol/structHash.ts";
import { policies, type Task, taskToJson } from "#protocol/task.ts";
import { taskEscrowDomain, typesOf } from "#protocol/typedData.ts";
import { fastKeccak } from "#service/fastKeccak.ts";
import type { BenchPayer } from "./payments.ts";

/** What prefunded calls are signed for. */
export interface CallTerms {
  chainId: number;
  token: string;
  taskEscrow: string;
  facilitator: string;
  node: string;
  /** Of each call, atomic units, a decimal string. */
  ceiling: string;
}

/** When a call brings a voucher along: as long as the ceiling has not to rise, none is needed. */
export type Vouchers = "none" | "a new one each";

/** Calls that are to be signed. */
export interface CallBatch {
  callTerms: CallTerms;
  payers: readonly BenchPayer[];
  vouchers: Vouchers;
  count: number;
}

/** Within the longest that a local network takes. */
const LIFETIME_SECONDS = 540;
const WORD = `0x${"ab".repeat(32)}`;

/** Nonces and caps go on from batch to batch: a payer never uses one twice, and no voucher is below an earlier one. */
let nextNonce = BigInt(Date.now()) << 32n;
let nextCap = 1n << 80n;

/** Makes distinct valid bodies of `POST /tasks`, in turns from each payer. */
export function makeCalls({ callTerms, payers, vouchers, count }: CallBatch): string[] {
  const { chainId, taskEscrow, facilitator, node, ceiling } = callTerms;
  const where = { chainId: BigInt(chainId), verifyingContract: taskEscrow };
  const separator = domainSeparator(taskEscrowDomain(where));
  const hashTask = structHash(typesOf("Task"), "Task");
  const hashVoucher = structHash(typesOf("Voucher"), "Voucher");
  const sign = (hash: Uint8Array, key: string): string => signDigest(signedDigest(separator, hash, fastKeccak), key);
  const deadline = Math.floor(Date.now() / 1000) + LIFETIME_SECONDS;
  const requirements = requirementsOf(callTerms);
  return Array.from({ length: count }, (_, index) => {
    const { address: payer, key } = payers[index % payers.length] as BenchPayer;
    const words = { node, model: WORD, request: WORD, policy: policies.reExecution };
    const task: Task = { payer, ...words, maxAmount: BigInt(ceiling), deadline, nonce: nextNonce++ };
    const cap = nextCap++;
    const voucher = {
      cap: cap.toString(),
      signature: vouchers === "none" ? "" : sign(hashVoucher({ payer, facilitator, cap }, fastKeccak), key),
    };
    const signature = sign(hashTask(task, fastKeccak), key);
    const signed = { task: taskToJson(task), facilitator, signature };
    const payload = vouchers === "none" ? signed : { ...signed, voucher };
    const paymentPayload = { x402Version: 2, accepted: requirements, payload };
    return JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements: requirements });
  });
}

function requirementsOf({ chainId, token, taskEscrow, facilitator, ceiling }: CallTerms) {
  return {
    ...{ scheme: "prefunded", network: `eip155:${chainId}`, amount: ceiling, asset: token, payTo: taskEscrow },
    ...{ maxTimeoutSeconds: LIFETIME_SECONDS, extra: { facilitator } },
  };
}

function signDigest(digest: string, key: string): string {
  const bytes = (hex: string): Buffer => Buffer.from(hex.slice(2), "hex");
  const { signature, recid } = secp256k1.ecdsaSign(bytes(digest), bytes(key));
  return `0x${Buffer.from(signature).toString("hex")}${(27 + recid).toString(16)}`;
}
