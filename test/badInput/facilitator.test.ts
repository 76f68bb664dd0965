import { decodePaymentSignatureHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { expect } from "chai";
import type { Wallet } from "ethers";
import fc from "fast-check";
import { localAccount } from "#deploy/localAccounts.ts";
import { caip2 } from "#protocol/network.ts";
import { type ProxyScheme, proxyPayloadJson, proxyTypedData } from "#protocol/proxyPayment.ts";
import { admitNode } from "#scripts/network/admitNode.ts";
import { type Processes, startProcesses } from "#test/integration/journeyNetwork.ts";
import { newPayer } from "#test/integration/newPayer.ts";
import { stockClient } from "#test/integration/stockClient.ts";
import { damagedJson, isWithin, type Path, pathsIn } from "./damagedJson.ts";
import { compact, signatureDamage } from "./damagedSignature.ts";
import { damagedText } from "./damagedText.ts";
import { type Answer, expectInvalid, expectRefusal } from "./expectRefusal.ts";
import { seed } from "./seed.ts";
import { bodiesNode, taskBody, uptoBody } from "./taskBodies.ts";

const AMOUNT = 1_000n;
const routes = ["/verify", "/settle"] as const;
const runs = { seed, numRuns: 200 };
/** Signatures are refused only after the chain was asked. */
const fewerRuns = { seed, numRuns: 100 };

/** Places that decide whether and what is paid; elsewhere a payment may say what it likes. */
const binding: Path[] = [
  ["x402Version"],
  ["paymentPayload", "x402Version"],
  ["paymentPayload", "accepted", "scheme"],
  ["paymentPayload", "accepted", "network"],
  ["paymentPayload", "payload"],
  ...["scheme", "network", "amount", "asset", "payTo"].map((field) => ["paymentRequirements", field]),
];

interface Body {
  x402Version: number;
  paymentPayload: PaymentPayload;
  paymentRequirements: PaymentRequirements;
}

describe(`bad input to the facilitator (OPG_FUZZ_SEED=${seed})`, function () {
  this.timeout(120_000);
  let processes: Processes;
  let payer: Wallet;
  let poor: Wallet;

  const requirementsOf = (scheme: ProxyScheme): PaymentRequirements => {
    const { network } = processes.local;
    return {
      scheme,
      network: caip2(network),
      amount: AMOUNT.toString(),
      asset: network.contracts.opg,
      payTo: `0x${"5A".repeat(20)}`,
      maxTimeoutSeconds: 600,
      extra: {
        ...{ assetTransferMethod: "permit2", name: "OPG", version: "1" },
        facilitatorAddress: localAccount("facilitator").address,
      },
    };
  };
  /** A payment that is as good as any: signed by x402's own client, of a payer who can pay. */
  const goodBody = async (scheme: ProxyScheme, from = payer): Promise<Body> => {
    const requirements = requirementsOf(scheme);
    const paymentPayload = await stockClient(processes.local.network, from).createPaymentPayload({
      x402Version: 2,
      resource: { url: "http://merchant.test/", description: "something", mimeType: "application/json" },
      accepts: [requirements],
      extensions: { eip2612GasSponsoring: { info: { description: "permits", version: "1" }, schema: {} } },
    });
    // As it would travel in a header: without what is undefined.
    const sent = decodePaymentSignatureHeader(encodePaymentSignatureHeader(paymentPayload));
    return { x402Version: 2, paymentPayload: sent, paymentRequirements: requirements };
  };
  const send = async (route: string, body: string | Uint8Array): Promise<Answer> => {
    const url = `${processes.local.network.facilitators[0]?.url ?? ""}${route}`;
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    return { status: response.status, text: await response.text() };
  };
  /** What would be different if anything had been paid or allowed. */
  const counts = async () => ({
    transactions: await processes.provider.getTransactionCount(localAccount("facilitator").address),
    held: await processes.opg.balanceOf(payer.address),
    allowed: await processes.opg.allowanceToPermit2(poor.address),
  });

  before(async () => {
    processes = await startProcesses({ daemons: ["facilitator"] });
    await admitNode(processes.local.network, processes.provider, bodiesNode);
    payer = await newPayer(processes, 100n * AMOUNT);
    poor = await newPayer(processes, 100n * AMOUNT, false);
  });
  after(() => processes.stop());

  for (const scheme of ["exact", "upto"] as const) {
    describe(`in a payment by ${scheme}`, () => {
      it("at any place that matters: a known reason, and nothing is claimed or paid", async () => {
        const [before, body] = [await counts(), await goodBody(scheme)];
        const paths = pathsIn(body).filter((path) => isWithin(path, binding));
        await fc.assert(
          fc.asyncProperty(damagedJson(body, paths), fc.constantFrom(...routes), async (text, route) => {
            expectInvalid(await send(route, text));
          }),
          runs,
        );
        expect(await counts()).to.deep.equal(before);
        expect((await send("/verify", JSON.stringify(body))).text, "the same undamaged").to.include('"isValid":true');
      });

      it("at any place whatever, of a payer who cannot pay: a known reason", async () => {
        const before = await counts();
        const body = await goodBody(scheme);
        const unpaid = { ...body.paymentRequirements, amount: (AMOUNT + 1n).toString() };
        const mismatched = { ...body, paymentRequirements: unpaid };
        await fc.assert(
          fc.asyncProperty(
            damagedJson(mismatched, pathsIn(mismatched)),
            fc.constantFrom(...routes),
            async (text, route) => {
              if (text.includes(`"amount":"${AMOUNT + 1n}"`)) expectInvalid(await send(route, text));
            },
          ),
          runs,
        );
        expect(await counts()).to.deep.equal(before);
      });

      it("in its signature: refused as not the payer's", async () => {
        const [before, body] = [await counts(), await goodBody(scheme)];
        const read = proxyPayloadJson[scheme].parse(body.paymentPayload.payload);
        const chainId = BigInt(processes.local.network.chainId);
        const document = proxyTypedData(scheme, read.permit2Authorization, chainId);
        const withSignature = (signature: string): string => {
          const payload = { ...body.paymentPayload.payload, signature };
          return JSON.stringify({ ...body, paymentPayload: { ...body.paymentPayload, payload } });
        };
        await fc.assert(
          fc.asyncProperty(signatureDamage, fc.constantFrom(...routes), async (damage, route) => {
            const answer = await send(route, withSignature(await damage(read.signature, payer, document)));
            expect(expectInvalid(answer)).to.equal("invalid_permit2_signature");
          }),
          fewerRuns,
        );
        expect(await counts()).to.deep.equal(before);
        const answer = await send("/verify", withSignature(compact(read.signature)));
        expect(answer.text, "EIP-2098").to.include('"isValid":true');
      });
    });
  }

  for (const [scheme, goodTask] of [
    ["upto", uptoBody],
    ["task", taskBody],
  ] as const) {
    it(`in a payment for a task by ${scheme}, at any place that matters: a known reason, and nothing is released`, async () => {
      const body = await goodTask(processes.local.network, payer, AMOUNT);
      const before = await counts();
      // Node, model and request of the proposed task are the gateway's to choose.
      const proposed = ["payer", "policy", "maxAmount", "deadline", "nonce"].map((field) => ["task", field]);
      const paths = pathsIn(body).filter((path) => isWithin(path, [...binding, ...proposed]));
      await fc.assert(
        fc.asyncProperty(damagedJson(body, paths), async (text) => {
          expectRefusal(await send("/tasks", text));
        }),
        runs,
      );
      expect(await counts()).to.deep.equal(before);
      expect((await send("/tasks", JSON.stringify(body))).status, "the same undamaged").to.equal(200);
    });
  }

  it("in an EIP-2612 permit: a known reason, and no permit is submitted", async () => {
    const [before, body] = [await counts(), await goodBody("exact", poor)];
    const within = ["paymentPayload", "extensions", "eip2612GasSponsoring", "info"];
    const paths = pathsIn(body).filter((path) => path.length > within.length && isWithin(path, [within]));
    expect(paths.length).to.be.greaterThan(6);
    const inVersion = [
      [...within, "version"],
      [...within, "description"],
    ];
    const deciding = paths.filter((path) => !isWithin(path, inVersion));
    await fc.assert(
      fc.asyncProperty(damagedJson(body, deciding), fc.constantFrom(...routes), async (text, route) => {
        expectInvalid(await send(route, text));
      }),
      fewerRuns,
    );
    expect(await counts()).to.deep.equal(before);
    expect((await send("/verify", JSON.stringify(body))).text, "undamaged").to.include('"isValid":true');
  });

  it("as a text that is no such body: refused before anything is looked up", async () => {
    const [before, text] = [await counts(), JSON.stringify(await goodBody("exact"))];
    const everywhere = fc.constantFrom(...routes, "/tasks");
    await fc.assert(
      fc.asyncProperty(damagedText(text), everywhere, async (bytes, route) => {
        expect(expectInvalid(await send(route, bytes))).to.be.oneOf(["malformed_json", "invalid_body"]);
      }),
      runs,
    );
    for (const route of [...routes, "/tasks"]) {
      const answer = await send(route, `{"x402Version":2,"padding":"${"x".repeat(9_000_000)}"}`);
      expect(expectInvalid(answer)).to.equal("body_too_large");
    }
    expect(await counts()).to.deep.equal(before);
  });
});
