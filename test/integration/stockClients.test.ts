import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from "@x402/core/http";
import { wrapAxiosWithPaymentFromConfig } from "@x402/axios";
import { UptoEvmScheme } from "@x402/evm";
import { wrapFetchWithPayment, wrapFetchWithPaymentFromConfig } from "@x402/fetch";
import axios from "axios";
import { expect } from "chai";
import { Wallet } from "ethers";
import { readLine } from "#execution/line/readLine.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { caip2 } from "#protocol/network.ts";
import { type Trail, trailProblems } from "#protocol/settlement.ts";
import { tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { freePort } from "#scripts/network/freePort.ts";
import { ownedProcess } from "#scripts/network/ownedProcess.ts";
import { until } from "./chainControl.ts";
import { type Journey, leastDaemons, startJourney } from "./journeyNetwork.ts";
import { newPayer } from "./newPayer.ts";
import { stockAccount, stockClient } from "./stockClient.ts";

const expectedText = (
  JSON.parse(readFileSync(new URL("../../examples/line/expected.json", import.meta.url), "utf8")) as { text: string }
).text;

const OPG = 10n ** 18n;
/** Room for one inference of the demonstration model without a lock, and not for two. */
const EXPOSURE_CAP = OPG / 50n;

describe("x402's own clients pay for an inference", function () {
  this.timeout(120_000);
  let journey: Journey;
  let payer: Wallet;
  let url: string;
  let init: RequestInit & { body: string };

  const purposesOf = (trail: Trail): string[] => trail.transactions.map(({ purpose }) => purpose);

  /** What came back is the answer, was settled for what PAYMENT-RESPONSE says, and is what the payer has less. */
  const expectPaid = async (answer: unknown, header: string, from: string, before: bigint): Promise<Trail> => {
    const { taskId, outputs } = inferAnswerJson.parse(answer);
    expect((await readLine(tensorsFromJson(outputs))).text).to.equal(expectedText);
    const trail = await journey.ended(taskId);
    expect(trail.state).to.equal("settled");
    expect(trailProblems(trail)).to.deep.equal([]);
    expect(trail.payer).to.equal(from);
    expect(decodePaymentResponseHeader(header)).to.deep.include({ success: true, payer: from, amount: trail.charge });
    expect(await journey.opg.balanceOf(from)).to.equal(before - BigInt(trail.charge));
    return trail;
  };

  /** Until the capture is recorded, what a payment could have cost counts against the cap. */
  const nothingOwed = () =>
    until(async () => {
      const metrics = await (await fetch(`${journey.local.network.facilitators[0]?.url}/metrics`)).text();
      return !/^opg_exposure_outstanding_atomic\{.*\} [1-9]/m.test(metrics);
    });

  before(async () => {
    journey = await startJourney({
      daemons: leastDaemons,
      env: { facilitator: { OPG_EXPOSURE_CAP: EXPOSURE_CAP.toString() } },
    });
    payer = await newPayer(journey, OPG);
    url = `${journey.local.network.gateway}/v1/infer`;
    init = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: journey.versionId, inputs: tensorsToJson(journey.wholeLine) }),
    };
  });
  after(() => journey.stop());

  it("@x402/fetch, unmodified: no lock, and no more than the charge is taken", async () => {
    const before = await journey.opg.balanceOf(payer.address);
    const response = await wrapFetchWithPayment(fetch, stockClient(journey.local.network, payer))(url, init);
    expect(response.status).to.equal(200);
    const header = response.headers.get("payment-response") ?? "";
    const trail = await expectPaid(await response.json(), header, payer.address, before);
    expect(purposesOf(trail)).to.deep.equal(["capture"]);
    expect(trail.refund).to.equal("0");
  });

  it("@x402/axios, unmodified", async () => {
    const { network } = journey.local;
    await nothingOwed();
    const before = await journey.opg.balanceOf(payer.address);
    const schemes = [{ network: caip2(network), client: new UptoEvmScheme(stockAccount(payer)) }];
    const api = wrapAxiosWithPaymentFromConfig(axios.create(), { schemes });
    const { status, data, headers } = await api.post<unknown>(url, init.body, {
      headers: { "content-type": "application/json" },
    });
    expect(status).to.equal(200);
    const trail = await expectPaid(data, String(headers["payment-response"]), payer.address, before);
    expect(purposesOf(trail)).to.deep.equal(["capture"]);
  });

  it("that were not told of the token refuse it by themselves, and sign nothing", async () => {
    const client = stockClient(journey.local.network, payer).setSpendControls({});
    const failure = await wrapFetchWithPayment(fetch, client)(url, init).then(String, String);
    expect(failure).to.include("allowedAssets");
  });

  it("above the exposure cap have their money locked first", async () => {
    const pay = wrapFetchWithPayment(fetch, stockClient(journey.local.network, payer));
    await nothingOwed();
    const answers = await Promise.all([pay(url, init), pay(url, init)]);
    const ended = answers.map(async (answer) => {
      expect(answer.status).to.equal(200);
      return purposesOf(await journey.ended(inferAnswerJson.parse(await answer.json()).taskId));
    });
    expect(await Promise.all(ended)).to.have.deep.members([["capture"], ["open", "settle"]]);
  });

  it("begin without gas and without an allowance: the facilitator submits the EIP-2612 permit", async () => {
    const { local, opg, provider } = journey;
    const newcomer = await newPayer(journey, OPG, false);
    const response = await wrapFetchWithPayment(fetch, stockClient(local.network, newcomer))(url, init);
    expect(response.status).to.equal(200);
    const header = response.headers.get("payment-response") ?? "";
    const trail = await expectPaid(await response.json(), header, newcomer.address, OPG);
    expect(purposesOf(trail)).to.deep.equal(["approve", "capture"]);
    expect(await provider.getBalance(newcomer.address)).to.equal(0n);
    expect(await opg.allowanceToPermit2(newcomer.address)).to.be.lessThan(BigInt(trail.maxAmount));
  });

  it("without an allowance and without a permit are told so: 412, and x402's header says what is wanted", async () => {
    const newcomer = await newPayer(journey, OPG, false);
    const { network } = journey.local;
    const pay = wrapFetchWithPaymentFromConfig(fetch, {
      schemes: [{ network: caip2(network), client: new UptoEvmScheme(stockAccount(newcomer)) }],
      spendControls: { allowedAssets: true },
    });
    const response = await pay(url, init);
    expect(response.status).to.equal(412);
    const required = decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
    expect(required.error).to.equal("permit2_allowance_required");
    expect(await journey.opg.balanceOf(newcomer.address)).to.equal(OPG);
  });

  it("and x402's own servers run from the examples as they stand", async () => {
    const { local, opg } = journey;
    const payTo = Wallet.createRandom().address;
    const port = await freePort();
    const example = (name: string) => fileURLToPath(new URL(`../../examples/merchant/${name}.mjs`, import.meta.url));
    const merchant = ownedProcess({
      name: "merchant",
      command: process.execPath,
      parameters: [example("merchant")],
      env: { GATEWAY: local.network.gateway, PAY_TO: payTo, PORT: String(port) },
      logFile: local.places.log("merchant"),
    });
    try {
      const listening = await merchant.line((line) => line.startsWith("listening at "));
      const env = { ...process.env, GATEWAY: local.network.gateway, PAYER_KEY: payer.privateKey };
      const paying = [example("pay"), listening.replace("listening at ", "")];
      const { stdout } = await promisify(execFile)(process.execPath, paying, { env });
      expect(stdout).to.include('200 {"weather":"sunny"}');
      expect(await opg.balanceOf(payTo)).to.equal(OPG / 100n);
    } finally {
      await merchant.stop();
    }
  });

  it("get the same outputs as the native client", async () => {
    const native = await journey.client.infer({ model: journey.versionId, inputs: journey.wholeLine });
    const response = await wrapFetchWithPayment(fetch, stockClient(journey.local.network, payer))(url, init);
    const stock = inferAnswerJson.parse(await response.json());
    expect(tensorsFromJson(stock.outputs)).to.deep.equal(native.outputs);
  });
});
