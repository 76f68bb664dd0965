import { concat, dataSlice, getBytes, hexlify, N, Signature, toBeHex, Wallet, zeroPadValue } from "ethers";
import fc from "fast-check";
import { PERMIT2, type PaymentTypedData } from "#protocol/payment.ts";

type Signing = Pick<Wallet, "address" | "signTypedData" | "signMessageSync">;

const withV = (signature: string, v: number): string => concat([dataSlice(signature, 0, 64), toBeHex(v, 1)]);

/** The other signature of the same key over the same digest, which ecrecover takes as well. */
function highS(signature: string): string {
  const { r, s, v } = Signature.from(signature);
  return concat([r, zeroPadValue(toBeHex(N - BigInt(s)), 32), toBeHex(v === 27 ? 28 : 27, 1)]);
}

/** A compact signature holds the parity in its 33rd byte's highest bit. */
function otherParity(signature: string): string {
  const flipped = getBytes(signature);
  flipped[32] = (flipped[32] ?? 0) ^ 0x80;
  return hexlify(flipped);
}

/** Bytes made from a good signature that no careful reader takes for it. */
const bytes: ((signature: string) => string)[] = [
  highS,
  ...[0, 1, 2, 26, 29, 35, 36, 255].map((v) => (signature: string) => withV(signature, v)),
  (signature) => withV(signature, Signature.from(signature).v === 27 ? 28 : 27),
  (signature) => otherParity(compact(signature)),
  (signature) => dataSlice(signature, 0, 63),
  (signature) => dataSlice(signature, 1),
  (signature) => concat([signature, "0x00"]),
  (signature) => concat([signature, signature]),
  (signature) => concat([signature, `0x${"6492".repeat(16)}`]),
  (signature) => concat([`0x${"00".repeat(32)}`, dataSlice(signature, 32)]),
  (signature) => concat([dataSlice(signature, 0, 32), `0x${"00".repeat(32)}`, dataSlice(signature, 64)]),
  (signature) => concat([toBeHex(N, 32), dataSlice(signature, 32)]),
  (signature) => concat([dataSlice(signature, 0, 32), `0x${"ff".repeat(32)}`, dataSlice(signature, 64)]),
  () => "0x",
  () => `0x${"00".repeat(65)}`,
  () => `0x${"00".repeat(64)}1b`,
  () => hexlify(new Uint8Array(9_000)),
];

/** Good signatures of the payer over something else. */
const elsewhere: ((signer: Signing, document: PaymentTypedData) => string | Promise<string>)[] = [
  (signer, { domain, types, value }) => signer.signTypedData({ ...domain, chainId: 1n }, types, value),
  (signer, { domain, types, value }) => signer.signTypedData({ ...domain, version: "1" }, types, value),
  (signer, { domain, types, value }) => signer.signTypedData({ ...domain, name: "permit2" }, types, value),
  (signer, { domain, types, value }) =>
    signer.signTypedData({ ...domain, verifyingContract: `0x${"01".repeat(20)}` }, types, value),
  (signer, { domain, types, value }) =>
    signer.signTypedData(domain, types, { ...value, nonce: (value["nonce"] as bigint) + 1n }),
  (signer, { domain, types, value }) =>
    signer.signTypedData(domain, types, { ...value, deadline: (value["deadline"] as bigint) + 1n }),
  (signer, { domain, types, value }) => signer.signTypedData(domain, types, { ...value, spender: PERMIT2 }),
  (signer) => signer.signMessageSync("pay"),
  (_, { domain, types, value }) => new Wallet(`0x${"11".repeat(32)}`).signTypedData(domain, types, value),
];

/** How to spoil the signature of a document: out of the good one, or by signing something else. */
export type SignatureDamage = (signature: string, signer: Signing, document: PaymentTypedData) => Promise<string>;

/** Every way that is known here, one at a time. */
export const signatureDamage: fc.Arbitrary<SignatureDamage> = fc.oneof(
  fc.constantFrom(...bytes).map(
    (spoil): SignatureDamage =>
      async (signature) =>
        spoil(signature),
  ),
  fc.constantFrom(...elsewhere).map(
    (sign): SignatureDamage =>
      async (_, signer, document) =>
        sign(signer, document),
  ),
);

/** The same signature as EIP-2098's 64 bytes: good, and another spelling. */
export function compact(signature: string): string {
  return Signature.from(signature).compactSerialized;
}
