import type { ObservedBlock } from "./blockFacts.ts";
import { oncePerBlock } from "./oncePerBlock.ts";

/** Whether a node may take new tasks, as of a block. */
export type ActiveAt = (node: string, block: ObservedBlock) => Promise<boolean>;

/** Asks about each node at most once for each block; a question that failed is asked again. */
export function activeNodes(read: (node: string, blockNumber: number) => Promise<boolean>): ActiveAt {
  const knownAt = oncePerBlock(() => Promise.resolve(new Map<string, Promise<boolean>>()));
  return async (node, block) => {
    const known = await knownAt(block);
    const asked = known.get(node) ?? read(node, block.number);
    known.set(node, asked);
    asked.catch(() => known.delete(node));
    return asked;
  };
}
