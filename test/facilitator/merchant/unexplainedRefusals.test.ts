import { expect } from "chai";
import { type Block, makeError, type Provider } from "ethers";
import { ChainHead } from "#chain/chainHead.ts";
import {
  hasRevertedTooOften,
  UnexplainedRefusals,
  untilBlockAbove,
} from "#facilitator/merchant/unexplainedRefusals.ts";
import { OpgError } from "#protocol/errors.ts";
import { rejection } from "#test/execution/rejection.ts";

const call = {
  to: "0x00000000000000000000000000000000000000aa",
  data: "0x12",
  from: "0x00000000000000000000000000000000000000bb",
};
const refused = makeError("refused", "CALL_EXCEPTION", {
  ...{ action: "call", data: "0x", reason: null, transaction: call, invocation: null, revert: null },
});

/** A chain that refuses a call at some of its blocks. */
function refusingAt(...blocks: number[]): Provider {
  const answer = ({ blockTag }: { blockTag?: number }): Promise<string> =>
    blocks.includes(blockTag ?? -1) ? Promise.reject(refused) : Promise.resolve("0x");
  return { call: answer } as unknown as Provider;
}

describe("UnexplainedRefusals", () => {
  it("end a payment at the third block that refuses what nothing speaks against, and not before", async () => {
    const refusals = new UnexplainedRefusals();
    const chain = refusingAt(7, 8, 9);
    const ends = [];
    for (const block of [7, 8, 9]) ends.push(await refusals.isForGood(chain, "payment", call, block));
    expect(ends).to.deep.equal([false, false, true]);
  });

  it("count no block twice, none that goes back, and none that takes the call", async () => {
    const refusals = new UnexplainedRefusals();
    const chain = refusingAt(6, 7, 9);
    const ends = [];
    for (const block of [7, 7, 7, 6, 8, 9, 9]) ends.push(await refusals.isForGood(chain, "payment", call, block));
    expect(ends).to.deep.equal(Array(7).fill(false));
  });

  it("count each payment for itself, anew once it is forgotten", async () => {
    const refusals = new UnexplainedRefusals();
    const chain = refusingAt(1, 2, 3, 4);
    for (const block of [1, 2]) await refusals.isForGood(chain, "payment", call, block);
    expect(await refusals.isForGood(chain, "another", call, 3)).to.equal(false);
    refusals.forget("payment");
    expect(await refusals.isForGood(chain, "payment", call, 4)).to.equal(false);
  });

  it("count nothing where the chain does not answer", async () => {
    const refusals = new UnexplainedRefusals();
    const unavailable = new OpgError("chain_unavailable", "The chain is away.");
    const away = { call: () => Promise.reject(unavailable) } as unknown as Provider;
    for (const block of [1, 2, 3]) {
      expect(await rejection(refusals.isForGood(away, "payment", call, block))).to.equal(unavailable);
    }
    expect(await refusals.isForGood(refusingAt(4), "payment", call, 4)).to.equal(false);
  });
});

describe("hasRevertedTooOften", () => {
  const reverted = { purpose: "settle", status: "reverted", blockNumber: 5 };
  const answer = (transactions: unknown[]): boolean =>
    hasRevertedTooOften({ transactions } as Parameters<typeof hasRevertedTooOften>[0]);

  it("says so of five settlements that reverted in blocks, and of nothing else", () => {
    expect(answer(Array(5).fill(reverted))).to.equal(true);
    for (const change of [{ purpose: "approve" }, { status: "included" }, { status: "sent" }, { blockNumber: null }]) {
      expect(answer([...Array<unknown>(4).fill(reverted), { ...reverted, ...change }])).to.equal(false);
    }
  });
});

describe("untilBlockAbove", () => {
  it("waits for the next block, and not where it is there already", async () => {
    let number = 3;
    const getBlock = (): Promise<Block> =>
      Promise.resolve({
        number,
        hash: `h${number}`,
        parentHash: `h${number - 1}`,
        transactions: [],
      } as unknown as Block);
    const head = new ChainHead({ getBlock });
    await head.advance();
    await untilBlockAbove(head, 2);
    let isOver = false;
    const waiting = untilBlockAbove(head, 3).then(() => (isOver = true));
    await head.advance();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isOver).to.equal(false);
    number = 4;
    await head.advance();
    await waiting;
  });
});
