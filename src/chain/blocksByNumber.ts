import type { Provider } from "ethers";

/** As much of a block as tells which one it is, and what it holds. */
export interface NumberedBlock {
  hash: string | null;
  transactions: readonly string[];
}

/** The chain's block of a number; nothing where there is none yet. */
export type BlocksByNumber = (number: number) => Promise<NumberedBlock | undefined>;

/** Reads each block once, however often it is asked for. */
export function blocksByNumber(provider: Pick<Provider, "getBlock">): BlocksByNumber {
  const known = new Map<number, Promise<NumberedBlock | undefined>>();
  return (number) => {
    const block = known.get(number) ?? provider.getBlock(number).then((read) => read ?? undefined);
    known.set(number, block);
    return block;
  };
}
