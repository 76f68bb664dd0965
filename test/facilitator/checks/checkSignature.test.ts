import { expect } from "chai";
import { concat, N, Signature, toBeHex } from "ethers";
import { paymentDigestOf } from "#protocol/payment.ts";
import { checkSignature } from "#facilitator/checks/checkSignature.ts";
import { facts, makePayment, terms } from "./makePayment.ts";

const refusal = { ok: false, code: "invalid_permit2_signature" };

async function withSignature(change: (signature: Signature) => string) {
  const payment = await makePayment();
  return checkSignature(
    { ...payment, signature: change(Signature.from(payment.signature)).toLowerCase() },
    terms,
    facts,
  );
}

describe("checkSignature", () => {
  it("takes what ethers signs, in 65 bytes and in EIP-2098's 64", async () => {
    expect(await withSignature(({ serialized }) => serialized)).to.deep.equal({ ok: true });
    expect(await withSignature(({ compactSerialized }) => compactSerialized)).to.deep.equal({ ok: true });
  });

  it("refuses the same signature with a high s, in both forms", async () => {
    const mirrored = ({ r, s, v }: Signature) => ({ r, s: toBeHex(N - BigInt(s), 32), v: v === 27 ? 28 : 27 });
    const long = (signature: Signature): string => {
      const { r, s, v } = mirrored(signature);
      return concat([r, s, toBeHex(v)]);
    };
    expect(await withSignature(long)).to.include(refusal);
    expect(await withSignature((signature) => concat([signature.r, mirrored(signature).s]))).to.include(refusal);
  });

  for (const v of [0, 1, 26, 29]) {
    it(`refuses v = ${v}`, async () => {
      expect(await withSignature(({ r, s }) => concat([r, s, toBeHex(v, 1)]))).to.include(refusal);
    });
  }

  it("refuses the other parity", async () => {
    expect(await withSignature(({ r, s, v }) => concat([r, s, toBeHex(55 - v)]))).to.include(refusal);
  });

  it("refuses bytes that are no signature", async () => {
    for (const bytes of ["0x", "0x00", `0x${"00".repeat(65)}`, `0x${"ff".repeat(64)}`, `0x${"11".repeat(66)}`]) {
      expect(await withSignature(() => bytes)).to.include(refusal);
    }
  });

  it("refuses a signature for another chain", async () => {
    expect(checkSignature(await makePayment({ chainId: 1n }), terms, facts)).to.include(refusal);
  });

  it("refuses when anything that was signed is changed afterwards", async () => {
    const payment = await makePayment();
    const { authorization } = payment;
    const changed = [
      { ...authorization, nonce: 8n },
      { ...authorization, deadline: authorization.deadline + 1n },
      { ...authorization, witness: { ...authorization.witness, node: terms.token } },
      { ...authorization, witness: { ...authorization.witness, request: authorization.witness.model } },
    ];
    for (const other of changed) {
      const digest = paymentDigestOf(other, terms.chainId);
      expect(checkSignature({ ...payment, authorization: other, digest }, terms, facts)).to.include(refusal);
    }
  });

  it("takes a payer contract's word, and only that, where the payer has code", async () => {
    const payment = await makePayment();
    const foreign = { ...payment, signature: "0x1234" };
    expect(
      checkSignature(foreign, terms, { ...facts, payerHasCode: true, contractAcceptsSignature: true }),
    ).to.deep.equal({ ok: true });
    expect(
      checkSignature(payment, terms, { ...facts, payerHasCode: true, contractAcceptsSignature: false }),
    ).to.include(refusal);
  });
});
