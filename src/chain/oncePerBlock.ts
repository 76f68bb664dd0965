import type { ObservedBlock } from "./blockFacts.ts";

/** Reads something at most once for each block, for all who ask; a reading that failed is tried again. */
export function oncePerBlock<Value>(read: (blockNumber: number) => Promise<Value>) {
  let known: { hash: string; value: Promise<Value> } | undefined;
  return ({ hash, number }: ObservedBlock): Promise<Value> => {
    if (known?.hash === hash) return known.value;
    const value = read(number);
    known = { hash, value };
    value.catch(() => {
      if (known?.hash === hash) known = undefined;
    });
    return value;
  };
}
