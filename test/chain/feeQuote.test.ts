import { expect } from "chai";
import { FeeQuote, MAX_FEE_PER_GAS } from "#chain/feeQuote.ts";
import type { ChainHead, HeadListener } from "#chain/chainHead.ts";
import type { RpcProvider } from "#chain/rpcProvider.ts";
import { raise } from "#facilitator/resender.ts";

const GWEI = 10n ** 9n;

/** A quote where blocks ask `base` gwei and the endpoint proposes a tip of `tip` gwei, or none. */
async function quoteOf(base: bigint, tip?: bigint) {
  const listeners: HeadListener[] = [];
  const state = { base, tip, asked: 0 };
  const head = {
    get newest() {
      return { baseFeePerGas: state.base * GWEI };
    },
    onBlock: (listener: HeadListener) => listeners.push(listener),
  } as unknown as ChainHead;
  const send = (): Promise<string> => {
    state.asked += 1;
    if (state.tip === undefined) return Promise.reject(new Error("no such method"));
    return Promise.resolve(`0x${(state.tip * GWEI).toString(16)}`);
  };
  const quote = new FeeQuote({ send } as unknown as RpcProvider, head);
  await quote.start();
  const passBlocks = async (count: number): Promise<void> => {
    for (let block = 0; block < count; block++) {
      for (const listener of listeners) await listener({} as Parameters<HeadListener>[0], false);
    }
  };
  return { quote, state, passBlocks };
}

const fees = (maxFee: bigint, tip: bigint) => ({ maxFeePerGas: maxFee * GWEI, maxPriorityFeePerGas: tip * GWEI });

describe("FeeQuote", () => {
  it("offers twice what blocks ask and the proposed tip", async () => {
    const { quote } = await quoteOf(30n, 3n);
    expect(quote.offered).to.deep.equal(fees(63n, 3n));
    expect(quote.asked).to.deep.equal(fees(33n, 3n));
  });

  it("offers a tip of 1 gwei where the endpoint proposes none", async () => {
    const { quote } = await quoteOf(30n);
    expect(quote.offered).to.deep.equal(fees(61n, 1n));
  });

  it("pays no tip above what blocks ask, or above 2 gwei where they ask less, whatever is proposed", async () => {
    expect((await quoteOf(30n, 5_000n)).quote.offered).to.deep.equal(fees(90n, 30n));
    expect((await quoteOf(0n, 5_000n)).quote.offered).to.deep.equal(fees(2n, 2n));
  });

  it("offers 1,000 gwei at most", async () => {
    expect(MAX_FEE_PER_GAS).to.equal(1_000n * GWEI);
    expect((await quoteOf(600n, 3n)).quote.offered).to.deep.equal(fees(1_000n, 3n));
    expect((await quoteOf(5_000n, 5_000n)).quote.offered).to.deep.equal(fees(1_000n, 1_000n));
  });

  it("asks for the tip anew now and then, not at each block", async () => {
    const { quote, state, passBlocks } = await quoteOf(30n, 3n);
    state.tip = 4n;
    await passBlocks(20);
    expect(state.asked).to.equal(1);
    await passBlocks(1);
    expect(state.asked).to.equal(2);
    expect(quote.offered).to.deep.equal(fees(64n, 4n));
  });
});

describe("what is offered once more for the same nonce", () => {
  it("is an eighth more in both fees, or what is offered by now where that is more", () => {
    const raised = { maxFeePerGas: 9n * GWEI + 1n, maxPriorityFeePerGas: (1_125n * GWEI) / 1_000n + 1n };
    expect(raise(fees(8n, 1n), fees(1n, 1n))).to.deep.equal(raised);
    expect(raise(fees(8n, 1n), fees(100n, 5n))).to.deep.equal(fees(100n, 5n));
  });

  it("is nothing once it would be above the bound", () => {
    expect(raise(fees(888n, 1n), fees(1n, 1n))?.maxFeePerGas).to.equal(999n * GWEI + 1n);
    expect(raise(fees(889n, 1n), fees(1n, 1n))).to.equal(undefined);
    expect(raise(fees(1_000n, 1n), fees(1_000n, 1n))).to.equal(undefined);
  });
});
