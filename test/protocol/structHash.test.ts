import { expect } from "chai";
import { getAddress, isAddress, toBeHex, TypedDataEncoder } from "ethers";
import fc from "fast-check";
import { checksumAddress } from "#protocol/checksumAddress.ts";
import { paymentDigestOf, paymentTypedData } from "#protocol/payment.ts";
import { proxyPaymentDigest, proxySchemes, proxyTypedData } from "#protocol/proxyPayment.ts";
import { portableKeccak, structHash } from "#protocol/structHash.ts";
import { fastKeccak } from "#service/fastKeccak.ts";

const RUNS = 1_000;

const uint = (bits: number) => {
  const most = 2n ** BigInt(bits) - 1n;
  return fc.oneof(fc.constantFrom(0n, 1n, most), fc.bigInt(0n, most));
};
const hex = (bytes: number) => uint(8 * bytes).map((value) => toBeHex(value, bytes));
const address = hex(20).map((text) => getAddress(text));
const plain = { from: address, permitted: fc.record({ token: address, amount: uint(256) }), spender: address };
const authorization = { ...plain, nonce: uint(256), deadline: uint(256) };
const number = (bits: number) => uint(bits).map(Number);
const task = fc.record({
  ...{ payer: address, node: address, model: hex(32), request: hex(32) },
  ...{ policy: number(8), maxAmount: uint(128), deadline: number(40), nonce: uint(256) },
});
const witnesses = {
  exact: fc.record({ to: address, validAfter: uint(256) }),
  upto: fc.record({ to: address, facilitator: address, validAfter: uint(256) }),
};
const keccaks = fc.constantFrom(portableKeccak, fastKeccak);
const chainId = uint(64);

/** Seeds are printed where one fails, and can be given to `fc.assert` again. */
describe("digests of payments, with ethers as their oracle", function () {
  this.timeout(120_000);

  for (const scheme of proxySchemes) {
    it(`are the same for scheme ${scheme}`, () => {
      const signed = fc.record({ ...authorization, witness: witnesses[scheme] });
      fc.assert(
        fc.property(signed, chainId, keccaks, (value, chain, keccak) => {
          const { domain, types, value: message } = proxyTypedData(scheme, value, chain);
          const need = TypedDataEncoder.hash(domain, types, message);
          expect(proxyPaymentDigest(scheme, value, chain, keccak)).to.equal(need);
        }),
        { numRuns: RUNS },
      );
    });
  }

  it("are the same for scheme task", () => {
    const signed = fc.record({ ...authorization, witness: task });
    fc.assert(
      fc.property(signed, chainId, keccaks, (value, chain, keccak) => {
        const { domain, types, value: message } = paymentTypedData(value, chain);
        expect(paymentDigestOf(value, chain, keccak)).to.equal(TypedDataEncoder.hash(domain, types, message));
      }),
      { numRuns: RUNS },
    );
  });

  it("are made of nothing that does not fit its field", () => {
    const fields = [
      { name: "who", type: "address" },
      { name: "small", type: "uint8" },
      { name: "hash", type: "bytes32" },
    ];
    const hash = structHash({ Sample: fields }, "Sample");
    const good = { who: `0x${"a1".repeat(20)}`, small: 255, hash: `0x${"0f".repeat(32)}` };
    const need = TypedDataEncoder.hashStruct("Sample", { Sample: fields }, good);
    expect(`0x${Buffer.from(hash(good, fastKeccak)).toString("hex")}`).to.equal(need);
    const bad = [{ small: 256 }, { small: -1 }, { who: `0x${"a1".repeat(19)}` }, { hash: `0x${"0g".repeat(32)}` }];
    for (const change of bad) expect(() => hash({ ...good, ...change }, fastKeccak)).to.throw(RangeError);
    expect(() => structHash({ Sample: [{ name: "text", type: "string" }] }, "Sample")).to.throw(TypeError);
  });
});

describe("checksumAddress, with ethers as its oracle", () => {
  it("takes and gives the same", () => {
    const cased = fc
      .tuple(hex(20), fc.array(fc.boolean(), { minLength: 42, maxLength: 42 }))
      .map(([text, upper]) =>
        Array.from(text, (digit, at) => (upper[at] === true && at > 1 ? digit.toUpperCase() : digit)).join(""),
      );
    const shouted = hex(20).map((text) => `0x${text.slice(2).toUpperCase()}`);
    const text = fc.oneof(address, hex(20), shouted, cased, hex(19), fc.string());
    fc.assert(
      fc.property(text, (given) => {
        const isGood = given.startsWith("0x") && isAddress(given);
        if (isGood) expect(checksumAddress(given)).to.equal(getAddress(given));
        else expect(() => checksumAddress(given)).to.throw(TypeError);
      }),
      { numRuns: RUNS },
    );
  });
});
