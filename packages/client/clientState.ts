import { z } from "zod";
import type { PaymentReceipt } from "./paymentReceipt.ts";

const decimal = z
  .string()
  .regex(/^[0-9]+$/)
  .transform((text) => BigInt(text));

/** One prefunded account as its voucher key's clients know it. */
const accountBookJson = z.strictObject({
  /** Name of chain and payer, such as `eip155:8453:0x...`. */
  account: z.string(),
  facilitator: z.string(),
  /** Vouchers hold for one contract. */
  taskEscrow: z.string(),
  /** Taken already when these books began, as the chain said. */
  before: decimal,
  /** Charged since, as certificates said. */
  charged: decimal,
  /** The highest cap that may have been signed. */
  cap: decimal,
  /** The last voucher; below `cap` while one is being signed, and worth nothing once its signer was replaced. */
  voucher: z.strictObject({ cap: decimal, signer: z.string(), signature: z.string() }).nullable(),
  /** The facilitator has a voucher as high as this. */
  shown: decimal,
  /** Calls that are not known to have ended. */
  open: z.array(
    z.strictObject({
      /** Payment identifier. */
      id: z.string(),
      amount: decimal,
      /** What was signed for: one task, and those offered in its place. */
      taskIds: z.array(z.string()),
      /** Nobody is paid for any of them after this, seconds since 1970. */
      expiresAt: z.int(),
    }),
  ),
});

/** What a registry said of a node and never changes. */
const nodePinJson = z.strictObject({
  /** Name of chain and contract, such as `eip155:8453:0x...`. */
  registry: z.string(),
  node: z.string(),
  operator: z.string(),
  payout: z.string(),
  measurement: z.string(),
  tlsKeyHash: z.string(),
});

/** What is kept of a prefunded account. */
export type AccountEntry = z.output<typeof accountBookJson>;

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
  accounts: z.array(accountBookJson).default([]),
  /** Nodes that something was signed for or sealed to, oldest first. */
  nodes: z.array(nodePinJson).default([]),
});

/** What clients of one payer must agree on, however many processes they are in. */
export type StateContent = z.output<typeof stateContentJson>;

/** A state before its first change. */
export const emptyState: StateContent = {
  version: 1,
  nonces: [],
  spending: { day: "", amounts: [], streamed: [] },
  accounts: [],
  nodes: [],
};

/** Writes a state's content for a file. */
export function stateContentToJson(content: StateContent): z.input<typeof stateContentJson> {
  const { version, nonces, spending, accounts, nodes } = content;
  return {
    version,
    nonces: nonces.map((word) => ({ ...word, word: word.word.toString() })),
    spending: { ...spending, amounts: spending.amounts.map((line) => ({ ...line, amount: line.amount.toString() })) },
    accounts: accounts.map(accountToJson),
    nodes,
  };
}

function accountToJson({ before, charged, cap, voucher, shown, open, ...names }: AccountEntry) {
  return {
    ...names,
    before: before.toString(),
    charged: charged.toString(),
    cap: cap.toString(),
    voucher: voucher && { ...voucher, cap: voucher.cap.toString() },
    shown: shown.toString(),
    open: open.map((call) => ({ ...call, amount: call.amount.toString() })),
  };
}

/** One change: the content that replaces what it is given, and what the caller wants to know of it. */
export type StateChange<Value> = (content: StateContent) => { content: StateContent; value: Value };

/**
 * Where a client keeps nonces, spending, vouchers, pins and receipts. `memoryState` is forgotten with the process; `fileState` of
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
