import { expect } from "chai";
import { id, toQuantity } from "ethers";
import { pino } from "pino";
import type { HeadBlock } from "#chain/chainHead.ts";
import { InclusionWatch, type WatchDependencies } from "#facilitator/inclusionWatch.ts";
import type { WatchedTransaction } from "#store/facilitatorTransactions.ts";

const HASH = id("settlement");
const place = { signer: "0xsigner", nonce: 7 };

/** A chain that shows what it is told to, and books that only remember what they were told. */
function watchedChain(reorgBlocks: number) {
  const chain = { blocks: new Map<number, HeadBlock>(), receiptIn: undefined as HeadBlock | undefined };
  const recorded: string[] = [];
  const transaction = {
    ...{ ...place, subject: id("payment"), purpose: "settle", hash: HASH, raw: "0x", status: "sent", final: false },
    ...{ blockNumber: null, blockHash: null, gasUsed: null, sentAt: new Date(0) },
  } as unknown as WatchedTransaction["transaction"];
  const receipt = () => {
    const { receiptIn } = chain;
    if (!receiptIn) return null;
    const { number, hash } = receiptIn;
    return { transactionHash: HASH, blockHash: hash, blockNumber: toQuantity(number), gasUsed: "0x1", status: "0x1" };
  };
  const dependencies = {
    provider: {
      send: async () => receipt(),
      getBlock: async (number: number) => chain.blocks.get(number) ?? null,
    },
    store: {
      recordInclusion: async (_: string, { blockHash }: { blockHash: string }) => recorded.push(`in ${blockHash}`),
      recordReorg: async () => (recorded.push("taken out"), transaction),
      recordFinal: async () => recorded.push("final"),
    },
    signers: { release: () => undefined, occupy: () => undefined },
    depths: { confirmations: 1, reorgBlocks },
    counters: { reorged: { inc: () => undefined } },
    logger: pino({ level: "silent" }),
  } as unknown as WatchDependencies;
  const watch = new InclusionWatch(dependencies);
  watch.add({ transaction, attempts: [] });
  const block = (number: number, name: string, transactions: string[] = []): HeadBlock => {
    const made = { number, hash: name, parentHash: "", timestamp: number, baseFeePerGas: 0n, transactions };
    chain.blocks.set(number, made);
    return made;
  };
  return { chain, recorded, watch, block };
}

describe("InclusionWatch", () => {
  it("asks again at the next block where receipt and block contradict each other", async () => {
    const { chain, recorded, watch, block } = watchedChain(10);
    chain.receiptIn = block(1, "old 1", [HASH]);
    await watch.takeIn(chain.receiptIn, false);
    // The receipt is gone already, its block is shown still; then blocks are missed no more.
    chain.receiptIn = undefined;
    await watch.takeIn(block(3, "new 3"), true);
    expect(recorded).to.deep.equal(["in old 1"]);
    block(1, "new 1");
    await watch.takeIn(block(4, "new 4"), false);
    expect(recorded).to.deep.equal(["in old 1", "taken out"]);
  });

  it("forgets no transaction whose block is another by then, whatever was missed before", async () => {
    const { chain, recorded, watch, block } = watchedChain(3);
    chain.receiptIn = block(1, "old 1", [HASH]);
    await watch.takeIn(chain.receiptIn, false);
    block(1, "new 1");
    chain.receiptIn = undefined;
    await watch.takeIn(block(2, "new 2"), false);
    await watch.takeIn(block(3, "new 3"), false);
    expect(recorded).to.deep.equal(["in old 1", "taken out"]);
    chain.receiptIn = block(4, "new 4", [HASH]);
    await watch.takeIn(chain.receiptIn, false);
    await watch.takeIn(block(5, "new 5"), false);
    await watch.takeIn(block(6, "new 6"), false);
    expect(recorded).to.deep.equal(["in old 1", "taken out", "in new 4", "final"]);
  });
});
