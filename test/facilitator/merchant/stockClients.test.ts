import { x402Client } from "@x402/core/client";
import type { PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { declareEip2612GasSponsoringExtension, declarePaymentIdentifierExtension } from "@x402/extensions";
import { expect } from "chai";
import { id, Wallet } from "ethers";
import { privateKeyToAccount } from "viem/accounts";
import { startFacilitator } from "#facilitator/start.ts";
import { proxySchemes } from "#protocol/proxyPayment.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { merchantAt, type MerchantBody, type MerchantNetwork, startMerchantNetwork } from "./merchantNetwork.ts";
import { stockFacilitator } from "./stockFacilitator.ts";

type Hex = `0x${string}`;

describe("x402's stock packages", function () {
  this.timeout(60_000);
  let net: MerchantNetwork;
  let facilitator: Daemon;
  let server: ReturnType<typeof merchantAt>;

  before(async () => {
    net = await startMerchantNetwork();
    facilitator = await startFacilitator(await net.environment("stock"));
    server = merchantAt(facilitator.url);
  });
  after(async () => {
    await facilitator.stop();
    await net.close();
  });

  /** What a merchant asks for, its `extra` completed from `/supported` as stock servers do. */
  const ask = async (scheme: "exact" | "upto"): Promise<PaymentRequirements> => {
    const kind = (await server.client.getSupported()).kinds.find((one) => one.scheme === scheme);
    return {
      ...{ scheme, network: "eip155:31337", amount: "1000", asset: net.network.contracts.opg, payTo: net.merchant },
      maxTimeoutSeconds: 120,
      extra: { name: "OPG", version: "1", assetTransferMethod: "permit2", ...kind?.extra },
    };
  };
  /** The unmodified client; OPG is none of the tokens that it knows. */
  const clientOf = (payer: Wallet, allowedAssets: readonly string[] = [net.network.contracts.opg]) => {
    const account = privateKeyToAccount(payer.privateKey as Hex);
    const rpc = { rpcUrl: net.network.rpcUrl };
    return new x402Client()
      .setSpendControls({ allowedAssets: allowedAssets.map((asset) => ({ network: "eip155:31337" as const, asset })) })
      .register("eip155:31337", new UptoEvmScheme(account, rpc))
      .register("eip155:31337", new ExactEvmScheme(account, rpc));
  };
  const pay = async (payer: Wallet, scheme: "exact" | "upto", extensions = {}): Promise<MerchantBody> => {
    const paymentRequirements = await ask(scheme);
    const required: PaymentRequired = {
      x402Version: 2,
      resource: { url: "http://merchant/paid", description: "", mimeType: "text/plain" },
      accepts: [paymentRequirements],
      extensions,
    };
    const paymentPayload = await clientOf(payer).createPaymentPayload(required);
    return { x402Version: 2, paymentPayload, paymentRequirements };
  };

  it("read what is supported", async () => {
    expect(await server.client.getSupported()).to.deep.equal({
      kinds: [
        { x402Version: 2, scheme: "upto", network: "eip155:31337", extra: { facilitatorAddress: net.facilitator } },
        { x402Version: 2, scheme: "exact", network: "eip155:31337", extra: { assetTransferMethod: "permit2" } },
        {
          ...{ x402Version: 2, scheme: "task", network: "eip155:31337" },
          extra: { facilitator: net.facilitator, entry: net.entry },
        },
      ],
      extensions: ["payment-identifier", "eip2612GasSponsoring"],
      signers: { "eip155:*": [net.facilitator] },
    });
  });

  for (const scheme of proxySchemes) {
    it(`pay a merchant by scheme ${scheme}, echoing extensions that they do not use`, async () => {
      const payer = await net.makePayer(1000n);
      const declared = {
        ...declareEip2612GasSponsoringExtension(),
        "payment-identifier": declarePaymentIdentifierExtension(),
      };
      const body = await pay(payer, scheme, declared);
      expect(body.paymentPayload.extensions).to.have.all.keys("eip2612GasSponsoring", "payment-identifier");
      expect(await server.verify(body)).to.deep.equal({ isValid: true, payer: payer.address });
      expect(await server.settle(body)).to.deep.include({ success: true, payer: payer.address });
      expect(await net.opg.balanceOf(payer.address)).to.equal(0n);
    });

    it(`begin without gas by scheme ${scheme}`, async () => {
      const payer = new Wallet(id(`a stock client without gas, ${scheme}`), net.provider);
      await (await net.opg.transfer(payer.address, 1000n)).wait();
      const body = await pay(payer, scheme, declareEip2612GasSponsoringExtension());
      expect(await server.verify(body)).to.deep.equal({ isValid: true, payer: payer.address });
      expect((await server.settle(body)).success).to.equal(true);
    });
  }

  it("pay in OPG only when told to (failure 12: tokens that are not on the default list)", async () => {
    const payer = await net.makePayer(1000n);
    const required = { x402Version: 2, resource: { url: "http://merchant/paid" }, accepts: [await ask("upto")] };
    const error = await clientOf(payer, [])
      .createPaymentPayload(required)
      .catch((thrown: unknown) => thrown);
    expect(String(error)).to.include("allowedAssets");
    expect((await clientOf(payer).createPaymentPayload(required)).accepted.scheme).to.equal("upto");
  });

  describe("give the reasons that we give", () => {
    let stockReason: ReturnType<typeof stockFacilitator>;
    before(() => {
      stockReason = stockFacilitator(net.network.rpcUrl, [net.facilitator, net.entry]);
    });

    type Change = (valid: MerchantBody) => MerchantBody;
    const asking =
      (change: Partial<PaymentRequirements>): Change =>
      (valid) => ({ ...valid, paymentRequirements: { ...valid.paymentRequirements, ...change } });
    const accepting =
      (change: Partial<PaymentRequirements>): Change =>
      ({ paymentPayload, ...valid }) => ({
        ...valid,
        paymentPayload: { ...paymentPayload, accepted: { ...paymentPayload.accepted, ...change } },
      });
    const authorizing =
      (change: object): Change =>
      ({ paymentPayload, ...valid }) => {
        const { permit2Authorization, ...rest } = paymentPayload.payload as { permit2Authorization: object };
        const payload = { ...rest, permit2Authorization: { ...permit2Authorization, ...change } };
        return { ...valid, paymentPayload: { ...paymentPayload, payload } };
      };
    const permitting =
      (change: object): Change =>
      ({ paymentPayload, ...valid }) => {
        const { eip2612GasSponsoring: permit } = paymentPayload.extensions as {
          eip2612GasSponsoring: { info: object };
        };
        const extensions = { eip2612GasSponsoring: { info: { ...permit.info, ...change } } };
        return { ...valid, paymentPayload: { ...paymentPayload, extensions } };
      };
    const stranger = new Wallet(id("stranger")).address;
    const cases: readonly (readonly [string, Change])[] = [
      ["nothing that is wrong", (valid) => valid],
      ["another scheme accepted", accepting({ scheme: "other" })],
      ["another network accepted", accepting({ network: "eip155:1" })],
      ["another spender", authorizing({ spender: stranger })],
      ["another payee asked for", asking({ payTo: stranger })],
      ["an end that is too near", authorizing({ deadline: "1700000000" })],
      ["another amount asked for", asking({ amount: "999" })],
      ["another token asked for", asking({ asset: stranger })],
      ["another nonce than was signed", authorizing({ nonce: "5" })],
      ["a permit of somebody else", permitting({ from: stranger })],
      ["a permit for another token", permitting({ asset: stranger })],
      ["a permit for another spender", permitting({ spender: stranger })],
      ["a permit that ends too soon", permitting({ deadline: "1700000000" })],
      ["a permit that cannot be read", permitting({ amount: "1.5" })],
    ];
    for (const scheme of proxySchemes) {
      for (const [what, change] of cases) {
        it(`to ${what}, under ${scheme}`, async () => {
          const payer = await net.makePayer(1000n);
          const body = change(await net.pay(payer, { scheme, facilitator: net.facilitator, permitNonce: 0n }));
          expect((await server.verify(body)).invalidReason).to.equal(await stockReason(body));
        });
      }

      it(`to a payer without the money or the allowance, under ${scheme}`, async () => {
        const poor = await net.pay(await net.makePayer(999n), { scheme, facilitator: net.facilitator });
        expect((await server.verify(poor)).invalidReason).to.equal(await stockReason(poor));
        const payer = new Wallet(id(`somebody without allowance, ${scheme}`), net.provider);
        await (await net.opg.transfer(payer.address, 1000n)).wait();
        const unapproved = await net.pay(payer, { scheme, facilitator: net.facilitator });
        expect((await server.verify(unapproved)).invalidReason).to.equal(await stockReason(unapproved));
        const strange = await net.pay(payer, { scheme, facilitator: net.facilitator, token: stranger });
        expect((await server.verify(strange)).invalidReason).to.equal(await stockReason(strange));
      });
    }
  });
});
