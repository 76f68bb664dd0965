import { expect } from "chai";
import { memoryState } from "#client/memoryState.ts";
import { NonceAllocator } from "#client/nonceAllocator.ts";

const account = "eip155:1:0x01";

describe("NonceAllocator", () => {
  let words: number;

  /** Words of all ones, all twos, and so on. */
  const countingWords = (length: number): Uint8Array => new Uint8Array(length).fill(++words);

  beforeEach(() => {
    words = 0;
  });

  it("counts through one random word and then begins another, never giving a nonce twice", async () => {
    const nonces = new NonceAllocator(memoryState(), countingWords);
    const given = [];
    for (let count = 0; count < 600; count++) given.push(await nonces.next(account));
    expect(new Set(given).size).to.equal(600);
    expect(new Set(given.map((nonce) => nonce >> 8n)).size).to.equal(3);
    expect(given.slice(0, 256).map((nonce) => nonce & 0xffn)).to.deep.equal(
      Array.from({ length: 256 }, (_, bit) => BigInt(bit)),
    );
    expect(given[0]).to.equal(BigInt(`0x${"01".repeat(31)}00`));
    expect(given.every((nonce) => nonce < 1n << 256n)).to.equal(true);
  });

  it("gives a nonce once to calls at the same time", async () => {
    const nonces = new NonceAllocator(memoryState(), countingWords);
    const given = await Promise.all(Array.from({ length: 100 }, () => nonces.next(account)));
    expect(new Set(given).size).to.equal(100);
    expect(new Set(given.map((nonce) => nonce >> 8n)).size).to.equal(1);
  });

  it("shares a word between clients on one state, each in blocks of its own", async () => {
    const state = memoryState();
    const [first, second] = [new NonceAllocator(state, countingWords), new NonceAllocator(state, countingWords)];
    const given = [await first.next(account), await second.next(account), await first.next(account)];
    const word = BigInt(`0x${"01".repeat(31)}00`);
    expect(given).to.deep.equal([word, word + 16n, word + 1n]);
  });

  it("counts each payer and chain apart, as Permit2 does", async () => {
    const nonces = new NonceAllocator(memoryState(), countingWords);
    const [one, other] = [await nonces.next(account), await nonces.next("eip155:2:0x01")];
    expect(one >> 8n).not.to.equal(other >> 8n);
  });

  it("goes on after the state could not be reached once", async () => {
    const state = memoryState();
    let broken = true;
    const flaky = {
      ...state,
      update: ((change) =>
        broken ? Promise.reject(new Error("disk full")) : state.update(change)) as typeof state.update,
    };
    const nonces = new NonceAllocator(flaky, countingWords);
    const failed = await nonces.next(account).catch((error: unknown) => error);
    expect(failed).to.be.instanceOf(Error);
    broken = false;
    expect((await nonces.next(account)) & 0xffn).to.equal(0n);
  });
});
