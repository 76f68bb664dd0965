import { expect } from "chai";
import { Signature, type Wallet } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { ask } from "#test/facilitator/ask.ts";
import { merchantAt, type MerchantBody, type MerchantNetwork, startMerchantNetwork } from "./merchantNetwork.ts";

describe("POST /verify", function () {
  this.timeout(60_000);
  let net: MerchantNetwork;
  let facilitator: Daemon;
  let server: ReturnType<typeof merchantAt>;

  before(async () => {
    net = await startMerchantNetwork();
    facilitator = await startFacilitator({ ...(await net.environment("verify")), OPG_EXPOSURE_CAP: "3000" });
    server = merchantAt(facilitator.url);
  });
  after(async () => {
    await facilitator.stop();
    await net.close();
  });

  const reasonOf = async (body: MerchantBody) => (await server.verify(body)).invalidReason;

  for (const scheme of ["exact", "upto"] as const) {
    it(`claims a payment of scheme ${scheme}: valid once`, async () => {
      const payer = await net.makePayer(5000n);
      const body = await net.pay(payer, { scheme });
      expect(await server.verify(body)).to.deep.equal({ isValid: true, payer: payer.address });
      expect(await reasonOf(body)).to.equal("permit2_invalid_nonce");
    });
  }

  it("tells one of five at the same time that it is valid (failure 2: one header five times)", async () => {
    const body = await net.pay(await net.makePayer(5000n));
    const answers = await Promise.all(Array.from({ length: 5 }, () => server.verify(body)));
    expect(answers.filter(({ isValid }) => isValid)).to.have.length(1);
    const reasons = answers.filter(({ isValid }) => !isValid).map(({ invalidReason }) => invalidReason);
    expect(reasons).to.deep.equal(Array(4).fill("permit2_invalid_nonce"));
  });

  it("takes the same authorization in another form, or with another signature's bytes, as the same", async () => {
    const payer = await net.makePayer(5000n);
    const body = await net.pay(payer, { nonce: 1n });
    const { signature } = body.paymentPayload.payload as { signature: string };
    const short = await net.pay(payer, { nonce: 1n, signature: Signature.from(signature).compactSerialized });
    expect((await server.verify(body)).isValid).to.equal(true);
    expect(await reasonOf(short)).to.equal("permit2_invalid_nonce");
  });

  it("gives the same payment-identifier the same answer, and refuses it for another payment (failure 4: idempotency)", async () => {
    const payer = await net.makePayer(5000n);
    const identifier = "purchase-0000000001";
    const body = await net.pay(payer, { identifier });
    const first = await server.verify(body);
    expect(first.isValid).to.equal(true);
    const elsewhere = {
      ...body.paymentPayload,
      resource: { url: "http://merchant/other", description: "", mimeType: "" },
    };
    expect(await reasonOf({ ...body, paymentPayload: elsewhere })).to.equal("permit2_invalid_nonce");
    expect(await server.verify(body)).to.deep.equal(first);
    expect(await reasonOf(body), "a third time").to.equal("permit2_invalid_nonce");
    expect(await reasonOf(await net.pay(payer, { identifier }))).to.equal("payment_identifier_conflict");
    const somebodyElse = await net.makePayer(1000n);
    expect((await server.verify(await net.pay(somebodyElse, { identifier }))).isValid).to.equal(true);
    await server.settle(body);
    expect(await reasonOf(body)).to.equal("permit2_invalid_nonce");
  });

  it("has one of five served that come at once under one payment-identifier (failure 2: one header, five runs)", async () => {
    const payer = await net.makePayer(1000n);
    const body = await net.pay(payer, { identifier: "purchase-0000000002" });
    const served = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const { isValid, invalidReason } = await server.verify(body);
        if (isValid) await server.settle(body);
        return isValid || invalidReason;
      }),
    );
    expect(served.filter((answer) => answer === true)).to.have.length(1);
    expect(served.filter((answer) => answer === "permit2_invalid_nonce")).to.have.length(4);
  });

  it("does not count the same funds twice, one after the other or at the same time", async () => {
    const payer = await net.makePayer(2500n);
    const bodies = await Promise.all(Array.from({ length: 5 }, () => net.pay(payer)));
    const answers = await Promise.all(bodies.map((body) => server.verify(body)));
    expect(answers.filter(({ isValid }) => isValid)).to.have.length(2);
    const next = await server.verify(await net.pay(payer));
    expect(next.invalidReason).to.equal("permit2_insufficient_balance");
    expect(next.extra).to.include({ have: "2500", need: "3000" });
  });

  it("limits what a payer has unsettled, until it is settled (failure 3: the race between verify and settle)", async () => {
    const payer = await net.makePayer(50_000n);
    const bodies = await Promise.all(Array.from({ length: 4 }, () => net.pay(payer)));
    const answers = await Promise.all(bodies.map((body) => server.verify(body)));
    const refused = answers.findIndex(({ isValid }) => !isValid);
    expect(answers.map(({ invalidReason }) => invalidReason).sort()[0]).to.equal("exposure_limit_reached");
    await server.settle(bodies[refused === 0 ? 1 : 0] as MerchantBody);
    expect((await server.verify(bodies[refused] as MerchantBody)).isValid).to.equal(true);
    const large = await net.pay(await net.makePayer(50_000n), { amount: 50_000n });
    expect((await server.verify(large)).isValid).to.equal(true);
  });

  it("blames a payer without an allowance, and says the nonce that a permit needs", async () => {
    const payer = await net.makePayer(5000n);
    await (await net.opg.connect(payer).approve("0x000000000022D473030F116dDEE9F6B43aC78BA3", 0)).wait();
    const refused = await server.verify(await net.pay(payer));
    expect(refused.invalidReason).to.equal("permit2_allowance_required");
    expect(refused.extra).to.include({ have: "0", need: "1000", permitNonce: "0" });
  });

  it("takes any token that is a contract, and no address that is none", async () => {
    const payer = await net.makePayer(5000n);
    expect(await reasonOf(await net.pay(payer, { token: payer.address }))).to.equal("asset_not_deployed_contract");
    const noToken = net.network.contracts.taskEscrow;
    expect(await reasonOf(await net.pay(payer, { token: noToken }))).to.equal("permit2_insufficient_balance");
  });

  it("refuses what pays TaskEscrow, names another facilitator or another chain", async () => {
    const payer = await net.makePayer(5000n);
    const escrow = net.network.contracts.taskEscrow;
    expect(await reasonOf(await net.pay(payer, { payTo: escrow }))).to.equal("invalid_permit2_recipient_mismatch");
    expect(await reasonOf(await net.pay(payer, { facilitator: payer.address }))).to.equal("upto_facilitator_mismatch");
    const body = await net.pay(payer);
    const elsewhere = { ...body.paymentRequirements, network: "eip155:1" as const };
    expect(await reasonOf({ ...body, paymentRequirements: elsewhere })).to.equal("invalid_upto_evm_network_mismatch");
  });

  it("asks a payer who has code for its word (EIP-1271)", async () => {
    const answering = (word: string) => `0x63${word}60e01b60005260206000f3`;
    const payer = await net.makePayer(5000n);
    await net.provider.send("anvil_setCode", [payer.address, answering("1626ba7e")]);
    expect((await server.verify(await net.pay(payer, { signature: "0x" }))).isValid).to.equal(true);
    await net.provider.send("anvil_setCode", [payer.address, answering("ffffffff")]);
    expect(await reasonOf(await net.pay(payer))).to.equal("invalid_permit2_signature");
  });

  it("gives a claim back when its deadline has passed", async () => {
    const payer = await net.makePayer(1000n);
    const now = (await net.provider.getBlock("latest"))?.timestamp ?? 0;
    const clock = Math.max(now, Math.floor(Date.now() / 1000));
    const body = await net.pay(payer, { deadline: clock + 9 });
    expect((await server.verify(body)).isValid).to.equal(true);
    expect(await reasonOf(await net.pay(payer))).to.equal("permit2_insufficient_balance");
    await net.provider.send("evm_increaseTime", [20]);
    const later = await net.pay(payer);
    let answer = await server.verify(later);
    for (let round = 0; round < 60 && !answer.isValid; round++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      answer = await server.verify(later);
    }
    expect(answer.isValid, answer.invalidReason).to.equal(true);
    expect((await server.settle(body)).errorReason).to.equal("permit2_deadline_expired");
  });

  describe("of what cannot be read", () => {
    let payer: Wallet;
    before(async () => {
      payer = await net.makePayer(1000n);
    });

    type Change = (valid: MerchantBody) => unknown;
    const withPayload =
      (change: (payload: Record<string, unknown>) => unknown): Change =>
      (valid) => ({
        ...valid,
        paymentPayload: { ...valid.paymentPayload, payload: change(valid.paymentPayload.payload) },
      });
    const cases: readonly (readonly [string, Change, string])[] = [
      ["no JSON", () => "{", "malformed_json"],
      ["an empty object", () => ({}), "invalid_body"],
      ["no payload", withPayload(() => undefined), "invalid_body"],
      ["a payload of another kind of thing", withPayload(() => 7), "invalid_body"],
      ["a number where a string belongs", withPayload((payload) => ({ ...payload, signature: 7 })), "invalid_body"],
      [
        "an amount as a number",
        (valid) => ({ ...valid, paymentRequirements: { ...valid.paymentRequirements, amount: 1000 } }),
        "invalid_body",
      ],
      [
        "an amount of 2^256",
        (valid) => ({
          ...valid,
          paymentRequirements: { ...valid.paymentRequirements, amount: (2n ** 256n).toString() },
        }),
        "invalid_body",
      ],
      [
        "a payment-identifier that is too short",
        (valid) => ({
          ...valid,
          paymentPayload: { ...valid.paymentPayload, extensions: { "payment-identifier": { info: { id: "short" } } } },
        }),
        "invalid_body",
      ],
    ];
    for (const [what, change, code] of cases) {
      it(`answers 400 ${code} to ${what}, as /settle does`, async () => {
        const body = change(await net.pay(payer));
        for (const route of ["verify", "settle"]) {
          const { status, body: answer } = await ask(`${facilitator.url}/${route}`, body);
          expect([status, answer.error?.code], JSON.stringify(answer)).to.deep.equal([400, code]);
        }
      });
    }

    it("names an EIP-3009 payment as a kind that is not served", async () => {
      const eip3009 = withPayload(() => ({ signature: "0x", authorization: { from: payer.address } }));
      const body = eip3009(await net.pay(payer, { scheme: "exact" })) as MerchantBody;
      expect(await reasonOf(body)).to.equal("unsupported_payload_type");
    });
  });

  describe("while the chain is away", () => {
    it("blames nobody and claims nothing", async () => {
      const body = await net.pay(await net.makePayer(1000n));
      await net.stopChain();
      const { status, body: answer } = await ask(`${facilitator.url}/verify`, body);
      expect([status, answer.error?.code]).to.deep.equal([503, "chain_unavailable"]);
      const settled = await ask(`${facilitator.url}/settle`, body);
      expect([settled.status, settled.body.error?.code]).to.deep.equal([503, "chain_unavailable"]);
    });
  });
});
