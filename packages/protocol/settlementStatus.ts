import { z } from "zod";
import { transactionPurposes } from "./settlement.ts";
import { type TaskState, taskStates } from "./task.ts";

/** Where a merchant's payment can stand. A lapsed one was not settled in its time. */
export const paymentStates = ["claimed", "settling", "settled", "failed", "lapsed"] as const;

export type PaymentState = (typeof paymentStates)[number];

const transactions = z.array(
  z.object({
    purpose: z.enum(transactionPurposes),
    hash: z.string(),
    /** Whether it is in a block, and how it ended there. */
    status: z.enum(["sent", "included", "reverted"]),
    blockNumber: z.int().nullable(),
  }),
);

/** x402's answer to `POST /settle`. */
const settleAnswer = z.object({
  success: z.boolean(),
  errorReason: z.string().optional(),
  errorMessage: z.string().optional(),
  payer: z.string().optional(),
  /** Hash; empty where no transaction paid. */
  transaction: z.string(),
  network: z.string(),
  amount: z.string().optional(),
});

/**
 * Answer of `GET /settlements/{id}`, and data of each of its `status` events: how a settlement stands at the facilitator. `id` is
 * the EIP-712 digest that a merchant's payer signed, or a taskId. Amounts are decimal strings in atomic units: `maxAmount` is what
 * was authorized, `amount` what is settled, where that is known.
 */
export const settlementStatusJson = z.discriminatedUnion("kind", [
  z.object({
    id: z.string(),
    kind: z.literal("payment"),
    state: z.enum(paymentStates),
    payer: z.string(),
    payee: z.string(),
    asset: z.string(),
    maxAmount: z.string(),
    amount: z.string().nullable(),
    /** What the merchant was answered in the end. */
    answer: settleAnswer.nullable(),
    transactions,
  }),
  z.object({
    id: z.string(),
    kind: z.literal("task"),
    state: z.enum(taskStates),
    payer: z.string(),
    asset: z.string(),
    maxAmount: z.string(),
    amount: z.string().nullable(),
    transactions,
  }),
]);
export type SettlementStatus = z.output<typeof settlementStatusJson>;

const ends: ReadonlySet<PaymentState | TaskState> = new Set([
  ...(["settled", "failed", "lapsed"] as const),
  ...(["rejected", "refunded"] as const),
]);

/** Whether a settlement has come to its end. */
export function isSettlementOver({ state }: Pick<SettlementStatus, "state">): boolean {
  return ends.has(state);
}
