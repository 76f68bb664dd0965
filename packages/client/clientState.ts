import { z } from "zod";
import type { PaymentReceipt } from "./paymentReceipt.ts";

const decimal = z
  .string()
  .regex(/^[0-9]+$/)
  .transform((text) => BigInt(text));

/** Wire shape of {@link StateContent}; amounts as decimal strings. */
export const stateContentJson = z.strictObject({
  version: z.literal(1),
  nonces: z.array(z.strictObject({ account: z.string(), word: decimal, next: z.int().min(0).max(256) })),
  spending: z.strictObject({
    day: z.string(),
    amounts: z.array(z.strictObject({ account: z.string(), asset: z.string(), host: z.string(), amount: decimal })),
    /** Of these payments it comes out later how much of what is counted was charged; by payment identifier. */
    streamed: z.array(z.strictObject({ id: z.string(), isOpen: z.boolean() })).default([]),
  }),
});

/** What clients of one payer must agree on, however many processes they are in. */
export type StateContent = z.output<typeof stateContentJson>;

/** A state before its first change. */
export const emptyState: StateContent = { version: 1, nonces: [], spending: { day: "", amounts: [], streamed: [] } };

/** Writes a state's content for a file. */
export function stateContentToJson({ version, nonces, spending }: StateContent): z.input<typeof stateContentJson> {
  return {
    version,
    nonces: nonces.map((word) => ({ ...word, word: word.word.toString() })),
    spending: { ...spending, amounts: spending.amounts.map((line) => ({ ...line, amount: line.amount.toString() })) },
  };
}

/** One change: the content that replaces what it is given, and what the caller wants to know of it. */
export type StateChange<Value> = (content: StateContent) => { content: StateContent; value: Value };

/**
 * Where a client keeps nonces, spending and receipts. `memoryState` is forgotten with the process; `fileState` of
 * `@opg/client/node` is shared by all processes that name the same folder.
 */
export interface ClientState {
  /**
   * Applies a change as one step: no other change comes in between, here or in another process, and it is durable when
   * the promise resolves. The change may run more than once; where it throws, nothing is changed.
   */
  update<Value>(change: StateChange<Value>): Promise<Value>;
  /** Keeps a new payment, unless one with its id is kept already. @returns the one that is kept */
  add(receipt: PaymentReceipt): Promise<PaymentReceipt>;
  /** Replaces what is kept of a payment. */
  replace(receipt: PaymentReceipt): Promise<void>;
  /** A payment by its id. */
  receipt(id: string): Promise<PaymentReceipt | undefined>;
  /** All payments that are kept, oldest first. */
  receipts(): Promise<PaymentReceipt[]>;
}
