import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { text as textOf } from "node:stream/consumers";
import {
  decodePaymentRequiredHeader,
  decodePaymentSignatureHeader,
  encodePaymentSignatureHeader,
} from "@x402/core/http";
import type { PaymentPayload } from "@x402/core/types";
import { expect } from "chai";
import type { Wallet } from "ethers";
import fc from "fast-check";
import { Agent, request } from "undici";
import { localAccount } from "#deploy/localAccounts.ts";
import type { ErrorCode } from "#protocol/errors.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { nodeInfoJson } from "#protocol/messages.ts";
import { type PaymentTypedData, paymentTypedData, taskPayloadJson } from "#protocol/payment.ts";
import { proxyPayloadJson, proxyTypedData } from "#protocol/proxyPayment.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import { type Journey, leastDaemons, startJourney } from "#test/integration/journeyNetwork.ts";
import { newPayer } from "#test/integration/newPayer.ts";
import { askOffer, signedHeader } from "#test/integration/rawPayment.ts";
import { stockClient } from "#test/integration/stockClient.ts";
import { damagedJson, isWithin, type Path, pathsIn } from "./damagedJson.ts";
import { compact, signatureDamage } from "./damagedSignature.ts";
import { damagedBase64, damagedText } from "./damagedText.ts";
import { type Answer, expectRefusal } from "./expectRefusal.ts";
import { seed } from "./seed.ts";

const OPG = 10n ** 18n;
const runs = { seed, numRuns: 100 };
/** Signatures are refused only after the chain was asked. */
const fewerRuns = { seed, numRuns: 50 };
/** Node's HTTP server refuses more than 16 KiB of headers by itself, with a status and no body. */
const MAX_HEADER_BYTES = 15_500;

const task = ["payer", "node", "model", "request", "policy", "maxAmount", "deadline", "nonce"];
/** Places of a payment that decide what is paid for what, by scheme. */
const binding: Record<"task" | "upto", Path[]> = {
  task: [
    ["x402Version"],
    ["payload"],
    ...["scheme", "network", "amount", "asset", "payTo"].map((field) => ["accepted", field]),
    ...["salt", "facilitator", "settleWindowSeconds"].map((field) => ["accepted", "extra", field]),
    // Payer and nonce are the client's to fill in, so what was offered for them does not bind.
    ...task
      .filter((field) => field !== "payer" && field !== "nonce")
      .map((field) => ["accepted", "extra", "task", field]),
  ],
  upto: [["x402Version"], ["payload"], ["accepted"]],
};

describe(`bad input to the gateway, before real nodes and verifiers (OPG_FUZZ_SEED=${seed})`, function () {
  this.timeout(180_000);
  let journey: Journey;
  let payer: Wallet;
  let body: string;
  const agent = new Agent({ connect: { rejectUnauthorized: false } });
  /** What cannot even be read ends its connection, which no other call must be on. */
  const oneCallEach = new Agent({ pipelining: 0 });

  /** What would be different if anything had been run or paid. */
  const counts = async () => {
    const info = await request(`${journey.local.daemons.get("node-1")?.url ?? ""}/info`, { dispatcher: agent });
    return {
      executions: nodeInfoJson.parse(await info.body.json()).executions,
      transactions: await journey.provider.getTransactionCount(localAccount("facilitator").address),
      held: await journey.opg.balanceOf(payer.address),
    };
  };
  const send = async (content: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> => {
    const response = await request(`${journey.local.network.gateway}/v1/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: content,
      dispatcher: oneCallEach,
    });
    return { status: response.statusCode, text: await response.body.text() };
  };
  /** Says how long the body is and sends nothing of it: who sends on after such an answer may find the connection cut. */
  const announce = async (bytes: number): Promise<Answer> => {
    const { hostname, port } = new URL(journey.local.network.gateway);
    const headers = { "content-type": "application/json", "content-length": bytes };
    const asking = httpRequest({ hostname, port, path: "/v1/infer", method: "POST", headers });
    asking.flushHeaders();
    try {
      const [response] = (await once(asking, "response")) as [IncomingMessage];
      return { status: response.statusCode ?? 0, text: await textOf(response) };
    } finally {
      asking.destroy();
    }
  };
  const pay = (header: string): Promise<Answer> => send(body, { "payment-signature": header });
  /** How a payment is refused. @returns the code, or nothing for a header that is too large to be read */
  const refusalOf = async (header: string): Promise<ErrorCode | undefined> => {
    const answer = await pay(header);
    if (header.length <= MAX_HEADER_BYTES) return expectRefusal(answer);
    expect(answer).to.deep.equal({ status: 431, text: "" });
    return undefined;
  };
  /** What was not damaged is run and settled. */
  const expectRun = async (header: string): Promise<void> => {
    const { status, text } = await pay(header);
    expect(status, text.slice(0, 300)).to.equal(200);
    await journey.ended(inferAnswerJson.parse(JSON.parse(text)).taskId);
  };
  const base64 = (text: string | Uint8Array): string => Buffer.from(text as string).toString("base64");

  /** A payment that is as good as any. */
  const goodPayment = async (scheme: "task" | "upto"): Promise<PaymentPayload> => {
    if (scheme === "upto") {
      const response = await fetch(`${journey.local.network.gateway}/v1/infer`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      const required = decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
      const payload = await stockClient(journey.local.network, payer).createPaymentPayload(required);
      // As it would travel: without what is undefined.
      return decodePaymentSignatureHeader(encodePaymentSignatureHeader(payload));
    }
    const offer = await askOffer(journey, { payer: payer.address });
    body = JSON.stringify(offer.body);
    return decodePaymentSignatureHeader(await signedHeader(offer, payer));
  };
  const documentOf = (scheme: "task" | "upto", payload: unknown): { signature: string; document: PaymentTypedData } => {
    const chainId = BigInt(journey.local.network.chainId);
    if (scheme === "upto") {
      const { signature, permit2Authorization } = proxyPayloadJson.upto.parse(payload);
      return { signature, document: proxyTypedData("upto", permit2Authorization, chainId) };
    }
    const { signature, permit2Authorization } = taskPayloadJson.parse(payload);
    return { signature, document: paymentTypedData(permit2Authorization, chainId) };
  };

  before(async () => {
    journey = await startJourney({
      daemons: leastDaemons,
      env: { gateway: { OPG_TASK_SECONDS: "500" } },
    });
    payer = await newPayer(journey, OPG);
  });
  beforeEach(() => {
    body = JSON.stringify({ model: journey.versionId, inputs: tensorsToJson(journey.inputs) });
  });
  after(async () => {
    await agent.close();
    await journey.stop();
  });

  for (const scheme of ["task", "upto"] as const) {
    describe(`in a payment by ${scheme}`, () => {
      it("at any place that matters: a known reason, and nothing is run or paid", async () => {
        const [before, payment] = [await counts(), await goodPayment(scheme)];
        const paths = pathsIn(payment).filter((path) => isWithin(path, binding[scheme]));
        await fc.assert(
          fc.asyncProperty(damagedJson(payment, paths), async (text) => {
            await refusalOf(base64(text));
          }),
          runs,
        );
        expect(await counts()).to.deep.equal(before);
        await expectRun(base64(JSON.stringify(payment)));
        expect((await counts()).executions).to.equal(before.executions + 1);
      });

      it("in its signature: refused as not the payer's", async () => {
        const [before, payment] = [await counts(), await goodPayment(scheme)];
        const { signature, document } = documentOf(scheme, payment.payload);
        const withSignature = (changed: string): string =>
          base64(JSON.stringify({ ...payment, payload: { ...payment.payload, signature: changed } }));
        await fc.assert(
          fc.asyncProperty(signatureDamage, async (damage) => {
            const code = await refusalOf(withSignature(await damage(signature, payer, document)));
            expect(code ?? "invalid_permit2_signature").to.equal("invalid_permit2_signature");
          }),
          fewerRuns,
        );
        expect(await counts()).to.deep.equal(before);
        await expectRun(withSignature(compact(signature)));
      });

      it("in its encoding: refused before anything is looked up", async () => {
        const [before, payment] = [await counts(), JSON.stringify(await goodPayment(scheme))];
        const headers = fc.oneof(damagedBase64(payment), damagedText(payment).map(base64));
        await fc.assert(
          fc.asyncProperty(headers, async (header) => {
            expect((await refusalOf(header)) ?? "invalid_payment_header").to.equal("invalid_payment_header");
          }),
          runs,
        );
        expect(await counts()).to.deep.equal(before);
      });
    });
  }

  it("in the body, with a good payment: a known reason, and nothing is run or paid", async () => {
    const [before, payment] = [await counts(), await goodPayment("upto")];
    const header = base64(JSON.stringify(payment));
    const asked: unknown = JSON.parse(body);
    // A versionId is found in any case of its letters.
    const damaged = damagedJson(asked, pathsIn(asked)).filter((text) => !text.includes('"model":"0X'));
    await fc.assert(
      fc.asyncProperty(fc.oneof(damaged, damagedText(body)), async (content) => {
        expectRefusal(await send(content, { "payment-signature": header }));
      }),
      runs,
    );
    expect(expectRefusal(await announce(9_000_000))).to.equal("body_too_large");
    expect(await counts()).to.deep.equal(before);
  });
});
