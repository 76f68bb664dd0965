import { expect } from "chai";
import { concat, dataLength, N, recoverAddress, Signature, SigningKey, toBeHex } from "ethers";
import fc from "fast-check";
import { recoverSigner } from "#service/recoverSigner.ts";

const HALF = N / 2n;

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((content) => `0x${Buffer.from(content).toString("hex")}`);
const key = fc.bigInt(1n, N - 1n).map((secret) => new SigningKey(toBeHex(secret, 32)));

/** The same by ethers, which takes more forms of a signature than the contracts do. */
function oracle(digest: string, signature: string): string | undefined {
  const length = dataLength(signature);
  if (length !== 64 && !(length === 65 && /(1b|1c)$/.test(signature))) return undefined;
  try {
    const parsed = Signature.from(signature);
    return BigInt(parsed.s) > HALF ? undefined : recoverAddress(digest, parsed);
  } catch {
    return undefined;
  }
}

/** Seeds are printed where one fails, and can be given to `fc.assert` again. */
describe("recoverSigner, with ethers as its oracle", function () {
  this.timeout(120_000);

  it("finds who signed, in 65 bytes and in EIP-2098's 64", () => {
    fc.assert(
      fc.property(bytes(32), key, (digest, signer) => {
        const { serialized, compactSerialized } = signer.sign(digest);
        const need = oracle(digest, serialized);
        expect(need).to.be.a("string");
        expect([recoverSigner(digest, serialized), recoverSigner(digest, compactSerialized)]).to.deep.equal([
          need,
          need,
        ]);
      }),
      { numRuns: 200 },
    );
  });

  it("says the same of bytes that nobody signed with", () => {
    const edges = fc.constantFrom(0n, 1n, HALF, HALF + 1n, N - 1n, N, N + 1n, 2n ** 256n - 1n);
    const scalar = fc.oneof(edges, fc.bigInt(0n, 2n ** 256n - 1n)).map((value) => toBeHex(value, 32));
    const v = fc.oneof(fc.constantFrom(27, 28), fc.nat(255)).map((value) => toBeHex(value, 1));
    const shaped = fc.oneof(fc.tuple(scalar, scalar, v), fc.tuple(scalar, scalar)).map((parts) => concat(parts));
    const signature = fc.oneof({ weight: 9, arbitrary: shaped }, fc.nat(70).chain(bytes));
    fc.assert(
      fc.property(bytes(32), signature, (digest, damaged) => {
        expect(recoverSigner(digest, damaged)).to.equal(oracle(digest, damaged));
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes no mirror image of a good signature", () => {
    fc.assert(
      fc.property(bytes(32), key, (digest, signer) => {
        const { r, s, v } = signer.sign(digest);
        const mirrored = toBeHex(N - BigInt(s), 32);
        expect(recoverSigner(digest, concat([r, mirrored, toBeHex(55 - v)]))).to.equal(undefined);
      }),
      { numRuns: 50 },
    );
  });
});
