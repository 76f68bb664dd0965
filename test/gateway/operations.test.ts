import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { startGateway } from "#gateway/start.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { documentedMetrics, readMetrics } from "#test/docs/documentedMetrics.ts";
import { type ServedChain, serveChain } from "#test/node/serveChain.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, payFor, someRequest } from "./paidRequest.ts";

describe("a gateway as its operator sees it", function () {
  this.timeout(60_000);
  let fixture: GatewayFixture;
  let chain: ServedChain;
  let folder: string;
  let gateway: Daemon;

  before(async () => {
    fixture = await gatewayFixture();
    chain = await serveChain(fixture.connection);
    folder = await mkdtemp(join(tmpdir(), "opg-gateway-"));
    await writeFile(join(folder, "network.json"), JSON.stringify({ ...fixture.network, rpcUrl: chain.url }));
    const environment = {
      OPG_NETWORK: join(folder, "network.json"),
      OPG_STATE: folder,
      OPG_PORT: "0",
      OPG_LOG_LEVEL: "silent",
      DATABASE_URL: await emptyDatabase(),
      OPG_RATE_PER_SECOND: "0.1",
      OPG_RATE_BURST: "1",
    };
    gateway = await startGateway(environment, { clock: () => fixture.time.now });
  });

  after(async () => {
    await gateway.stop();
    await chain.close();
    await fixture.stop();
    await rm(folder, { recursive: true });
  });

  it("shows the metrics that are documented of it", async () => {
    const { names, text } = await readMetrics(gateway.url);
    expect(names).to.deep.equal(documentedMetrics("gateway"));
    expect(text)
      .to.include("opg_serving_nodes 2")
      .and.not.to.match(/^opg_metrics_unread_total\{/m);
  });

  it("is ready, and no more when its chain stands still", async () => {
    const ready = async () => {
      const response = await fetch(`${gateway.url}/ready`);
      return { status: response.status, body: await response.json() };
    };
    expect(await ready()).to.deep.equal({ status: 200, body: { status: "ready", missing: {} } });
    const block = await fixture.provider.getBlock("latest");
    fixture.time.now = block!.timestamp + 500;
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const missing = { chain: "the newest block is 500 s old" };
    expect(await ready()).to.deep.equal({ status: 503, body: { status: "not_ready", missing } });
    fixture.time.now = block!.timestamp;
  });

  it("tells a web page, too, that it asks too much, and when to come again", async () => {
    const headers = { origin: "https://app.test" };
    expect((await fetch(`${gateway.url}/openapi.json`, { headers })).status).to.equal(200);
    const refused = await fetch(`${gateway.url}/openapi.json`, { headers });
    expect(refused.status).to.equal(429);
    expect(refused.headers.get("retry-after")).to.equal("10");
    expect(refused.headers.get("access-control-allow-origin")).to.equal("*");
    expect(refused.headers.get("access-control-expose-headers")?.toLowerCase()).to.include("retry-after");
  });

  it("counts how tasks end", async () => {
    const metrics = async () => (await fixture.app.request("/metrics")).text();
    const body = someRequest(fixture);
    const header = await payFor(fixture, await askOffer(fixture));
    for (const turn of [1, 2]) expect((await infer(fixture, body, header)).status, String(turn)).to.equal(200);
    expect(await metrics()).to.include('opg_tasks_total{outcome="done"} 1');
  });
});
