import { type ClientState, emptyState } from "./clientState.ts";
import type { PaymentReceipt } from "./paymentReceipt.ts";

/** The oldest receipts are dropped above this many, so that a long-lived process does not grow. */
const MAX_RECEIPTS = 1_000;

/** Keeps a client's state until the process ends. */
export function memoryState(): ClientState {
  let content = emptyState;
  const receipts = new Map<string, PaymentReceipt>();

  function keep(receipt: PaymentReceipt): PaymentReceipt {
    receipts.set(receipt.id, receipt);
    for (const id of receipts.keys()) {
      if (receipts.size <= MAX_RECEIPTS) break;
      receipts.delete(id);
    }
    return receipt;
  }

  return {
    async update(change) {
      const changed = change(content);
      content = changed.content;
      return changed.value;
    },
    add: async (receipt) => receipts.get(receipt.id) ?? keep(receipt),
    replace: async (receipt) => void keep(receipt),
    receipt: async (id) => receipts.get(id),
    receipts: async () => [...receipts.values()],
  };
}
