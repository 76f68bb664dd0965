import * as stock from "@x402/extensions";
import { expect } from "chai";
import { id, TypedDataEncoder, verifyTypedData, Wallet } from "ethers";
import {
  allowancePermitDigest,
  allowancePermitIn,
  allowancePermitToJson,
  allowancePermitTypedData,
  GAS_SPONSORING,
  gasSponsoringDeclaration,
} from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { PAYMENT_IDENTIFIER, paymentIdentifierDeclaration, paymentIdentifierIn } from "#protocol/paymentIdentifier.ts";

const owner = new Wallet(id("the owner of the extensions' test"));

const permit = {
  from: owner.address,
  asset: new Wallet(id("token")).address,
  spender: PERMIT2,
  amount: 1000n,
  nonce: 3n,
  deadline: 1_800_000_000n,
  signature: `0x${"ab".repeat(64)}1b`,
};

/** Fields, their patterns and which are required; the descriptions are each one's own. */
function shapeOf(schema: { properties: object; required: readonly string[] }) {
  const fields = Object.entries(schema.properties as Record<string, object>);
  return {
    fields: Object.fromEntries(fields.map(([name, field]) => [name, { ...field, description: "" }])),
    required: [...schema.required].sort(),
  };
}

describe("x402 extensions", () => {
  it("declare the payment identifier as the stock package does", () => {
    expect(PAYMENT_IDENTIFIER).to.equal(stock.PAYMENT_IDENTIFIER);
    expect(paymentIdentifierDeclaration).to.deep.equal(stock.declarePaymentIdentifierExtension());
  });

  it("take the payment identifiers that the stock package takes, and no others", () => {
    const ids = ["a".repeat(16), "Z_9-".repeat(32), stock.generatePaymentId()];
    const others = ["a".repeat(15), "a".repeat(129), `${"a".repeat(16)} `, `${"a".repeat(15)}é`, `${"a".repeat(16)}\n`];
    for (const text of [...ids, ...others]) {
      const extensions = { [PAYMENT_IDENTIFIER]: { info: { required: false, id: text } } };
      expect(stock.isValidPaymentId(text), text).to.equal(ids.includes(text));
      if (ids.includes(text)) expect(paymentIdentifierIn(extensions)).to.equal(text);
      else expect(() => paymentIdentifierIn(extensions)).to.throw("16 to 128 characters");
    }
  });

  it("read no payment identifier out of a mere echo, and name the field that is wrong", () => {
    for (const extensions of [undefined, null, {}, { [PAYMENT_IDENTIFIER]: paymentIdentifierDeclaration }]) {
      expect(paymentIdentifierIn(extensions)).to.equal(undefined);
    }
    expect(() => paymentIdentifierIn({ [PAYMENT_IDENTIFIER]: { info: { id: 7 } } })).to.throw(
      '"extensions.payment-identifier.info.id" is wrong',
    );
  });

  it("never look at a schema that a client sent", () => {
    const trap = new Proxy({}, { get: () => expect.fail("read"), ownKeys: () => expect.fail("listed") });
    const info = { ...paymentIdentifierDeclaration.info, id: "a".repeat(16) };
    const { info: permitInfo } = allowancePermitToJson(permit);
    const extensions = {
      [PAYMENT_IDENTIFIER]: { info, schema: trap },
      [GAS_SPONSORING]: { info: permitInfo, schema: trap },
    };
    expect(paymentIdentifierIn(extensions)).to.equal(info.id);
    expect(allowancePermitIn(extensions)).to.deep.equal(permit);
  });

  it("declare sponsored permits as the stock package does, in words of our own", () => {
    const declared = stock.declareEip2612GasSponsoringExtension()[GAS_SPONSORING];
    expect(GAS_SPONSORING).to.equal(stock.EIP2612_GAS_SPONSORING.key);
    const theirs = declared?.schema as Parameters<typeof shapeOf>[0];
    expect(shapeOf(gasSponsoringDeclaration.schema)).to.deep.equal(shapeOf(theirs));
    expect(gasSponsoringDeclaration.info.version).to.equal((declared?.info as { version: string }).version);
  });

  it("write permits that the stock package reads, and read them back", () => {
    const extensions = { [GAS_SPONSORING]: allowancePermitToJson(permit) };
    const info = stock.extractEip2612GasSponsoringInfo({ extensions } as unknown as Parameters<
      typeof stock.extractEip2612GasSponsoringInfo
    >[0]);
    expect(info && stock.validateEip2612GasSponsoringInfo(info)).to.equal(true);
    expect(allowancePermitIn(extensions)).to.deep.equal(permit);
  });

  it("tell a permit that is absent from one that is malformed", () => {
    for (const extensions of [undefined, null, 7, {}, { [GAS_SPONSORING]: gasSponsoringDeclaration }]) {
      expect(allowancePermitIn(extensions)).to.equal("absent");
    }
    const { info } = allowancePermitToJson(permit);
    const malformed = [{ amount: "1.5" }, { from: "0x" }, { nonce: 3 }, { signature: "0xabc" }, { version: undefined }];
    for (const change of [...malformed, { amount: (2n ** 256n).toString() }, { deadline: undefined }]) {
      expect(allowancePermitIn({ [GAS_SPONSORING]: { info: { ...info, ...change } } })).to.equal("malformed");
    }
  });

  it("sign a permit for Permit2 in the token's own domain", async () => {
    const token = { name: "Token", version: "1", chainId: 31_337n };
    const { domain, types, value } = allowancePermitTypedData(permit, token);
    const signature = await owner.signTypedData(domain, types, value);
    expect(verifyTypedData(domain, types, value, signature)).to.equal(owner.address);
    expect(value).to.include({ owner: owner.address, spender: PERMIT2, value: 1000n });
    expect(allowancePermitDigest(permit, TypedDataEncoder.hashDomain(domain))).to.equal(
      TypedDataEncoder.hash(domain, types, value),
    );
  });
});
