import { expect } from "chai";
import { NonceAllocator } from "#client/nonceAllocator.ts";

describe("NonceAllocator", () => {
  it("counts through one random word and then begins another, never giving a nonce twice", () => {
    let words = 0;
    const nonces = new NonceAllocator((length) => new Uint8Array(length).fill(++words));
    const given = Array.from({ length: 600 }, () => nonces.next());
    expect(new Set(given).size).to.equal(600);
    expect(new Set(given.map((nonce) => nonce >> 8n)).size).to.equal(3);
    expect(given.slice(0, 256).map((nonce) => nonce & 0xffn)).to.deep.equal(
      Array.from({ length: 256 }, (_, bit) => BigInt(bit)),
    );
    expect(given[0]).to.equal(BigInt(`0x${"01".repeat(31)}00`));
    expect(given.every((nonce) => nonce < 1n << 256n)).to.equal(true);
  });
});
