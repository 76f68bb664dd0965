import { expect } from "chai";
import { toQuantity } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import type { Daemon } from "#service/runDaemon.ts";
import {
  alters,
  type Fault,
  type FaultyEndpoint,
  hangs,
  isDown,
  lags,
  lies,
  startFaultyEndpoint,
} from "#test/chain/faultyEndpoint.ts";
import { readMetrics } from "#test/docs/documentedMetrics.ts";
import { ask, askUntil } from "./ask.ts";
import { merchantAt, type MerchantNetwork, startMerchantNetwork } from "./merchant/merchantNetwork.ts";

/** A block's word, as a balance or an allowance: something else at each endpoint that lies. */
const claims = (amount: number): Fault =>
  lies(["eth_call", "eth_getBalance"], () => toQuantity(amount).padEnd(66, "0"));

describe("a facilitator with three endpoints of the chain", function () {
  this.timeout(90_000);
  let net: MerchantNetwork;
  let endpoints: [FaultyEndpoint, FaultyEndpoint, FaultyEndpoint];
  let facilitator: Daemon;

  before(async () => {
    net = await startMerchantNetwork();
    const start = () => startFaultyEndpoint(net.network.rpcUrl);
    endpoints = [await start(), await start(), await start()];
    const urls = endpoints.map(({ url }) => url);
    facilitator = await startFacilitator({ ...(await net.environment("endpoints")), OPG_RPC_URL: urls.join(",") });
  });
  afterEach(() => {
    for (const endpoint of endpoints) endpoint.fault = undefined;
  });
  after(async () => {
    await facilitator.stop();
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    await net.close();
  });

  const faults: Record<string, Fault> = {
    "makes everybody poor": claims(0),
    "says that transactions failed": alters("eth_getTransactionReceipt", { status: "0x0" }),
    "invents logs, and hides what there are": lies(["eth_getLogs"], () => []),
    lags: lags(3),
    hangs: hangs,
    "is down": isDown,
  };
  for (const [what, fault] of Object.entries(faults)) {
    it(`pays a merchant and settles a task while one ${what}`, async () => {
      endpoints[1].fault = fault;
      const payer = await net.makePayer(2000n);
      const server = merchantAt(facilitator.url);
      const payment = await net.pay(payer);
      expect((await server.verify(payment)).isValid).to.equal(true);
      const settled = await server.settle(payment);
      expect(settled, settled.errorMessage).to.include({ success: true, amount: "1000" });
      expect((await net.provider.getTransactionReceipt(settled.transaction))?.status).to.equal(1);

      const task = await net.makeTask(payer);
      const opened = await ask(`${facilitator.url}/tasks`, await net.payFor(payer, task));
      expect(opened.status, JSON.stringify(opened.body)).to.equal(200);
      const at = `${facilitator.url}/tasks/${net.taskIdIn(task)}`;
      await ask(`${at}/certificate`, await net.certify(net.makeResult(task)));
      await askUntil(at, ({ body }) => body.state === "settled");
      expect(await net.opg.balanceOf(payer.address)).to.equal(600n);
    });
  }

  it("refuses by a fault of its own, never the payer's, while two lie in different ways, and goes on after that", async () => {
    const payer = await net.makePayer(2000n);
    const payment = await net.pay(payer);
    [endpoints[0].fault, endpoints[2].fault] = [claims(0), claims(1)];
    const verified = await ask(`${facilitator.url}/verify`, payment);
    expect(verified.status).to.equal(503);
    expect(verified.body.error).to.include({ code: "chain_unavailable", agreed: 1, endpoints: 3 });
    const task = await net.makeTask(payer);
    const opened = await ask(`${facilitator.url}/tasks`, await net.payFor(payer, task));
    expect([opened.status, opened.body.error?.code]).to.deep.equal([503, "chain_unavailable"]);
    const settled = await ask(`${facilitator.url}/settle`, payment);
    expect([settled.status, settled.body.error?.code]).to.deep.equal([503, "chain_unavailable"]);

    endpoints[0].fault = endpoints[2].fault = undefined;
    expect(await merchantAt(facilitator.url).settle(payment)).to.include({ success: true });
  });

  it("counts in its metrics how each endpoint does", async () => {
    const { text } = await readMetrics(facilitator.url);
    expect(text).to.match(/opg_rpc_endpoint_answers_total\{endpoint="1",outcome="answered"\} \d+/);
    expect(text).to.match(/opg_rpc_endpoint_answers_total\{endpoint="2",outcome="outvoted"\} \d+/);
    expect(text).to.match(/opg_rpc_endpoint_answers_total\{endpoint="2",outcome="failed"\} \d+/);
  });
});
