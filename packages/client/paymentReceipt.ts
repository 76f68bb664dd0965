import { z } from "zod";
import { address, bytes32, uint } from "../protocol/hex.ts";
import { receiptJson } from "../protocol/inferAnswer.ts";

/** Where a payment stands: `sent` without an answer so far, `answered`, or `refused` by the server. */
export const paymentStates = ["sent", "answered", "refused"] as const;

/** Wire shape of {@link PaymentReceipt}; amounts as decimal strings. */
export const paymentReceiptJson = z.strictObject({
  /** The payment identifier: 16 to 128 letters, digits, `-` and `_`. */
  id: z.string(),
  url: z.string(),
  /** SHA-256 of what was asked: method, URL and body; of an inference the salted digest in its task. */
  request: bytes32,
  /** Name of the payer's account, such as `eip155:8453:0x...`. */
  account: z.string(),
  scheme: z.string(),
  asset: address,
  payTo: address,
  /** At most this much was signed for, atomic units. */
  amount: uint(256),
  /** Seconds since 1970. */
  createdAt: z.int(),
  /** The signature is worth nothing any more after this, seconds since 1970. */
  expiresAt: z.int(),
  /** Content of the header PAYMENT-SIGNATURE; empty for a payment by `infer`, which is not sent again later. */
  header: z.string(),
  state: z.enum(paymentStates),
  /** Why it was refused. */
  reason: z.string().nullable(),
  /** What was taken, as the server or the facilitator says: the hash of the transaction, empty while there is none, and how much. */
  settlement: z.strictObject({ transaction: z.string(), amount: uint(256) }).nullable(),
  /** Where the facilitator tells the settlement of an answer that was not settled before it was sent. */
  settlementUrl: z.string().nullable().default(null),
  /** The checked receipt of an inference. */
  task: receiptJson.nullable(),
});

/** What is kept of a payment from before it is sent. */
export type PaymentReceipt = z.output<typeof paymentReceiptJson>;

/** {@link PaymentReceipt} as it is stored. */
export type PaymentReceiptJson = z.input<typeof paymentReceiptJson>;

/** Writes a payment for a file. */
export function paymentReceiptToJson({ amount, settlement, task, ...receipt }: PaymentReceipt): PaymentReceiptJson {
  return {
    ...receipt,
    amount: amount.toString(),
    settlement: settlement && { ...settlement, amount: settlement.amount.toString() },
    task: task && {
      ...task,
      task: { ...task.task, maxAmount: task.task.maxAmount.toString(), nonce: task.task.nonce.toString() },
      result: { ...task.result, amount: task.result.amount.toString() },
    },
  };
}
