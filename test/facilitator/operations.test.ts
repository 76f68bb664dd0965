import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { type DaemonProcess, startProcess } from "#scripts/network/startProcess.ts";
import { documentedMetrics, readMetrics } from "#test/docs/documentedMetrics.ts";
import { askUntil } from "./ask.ts";
import { type FacilitatorNetwork, startFacilitatorNetwork } from "./facilitatorNetwork.ts";

describe("a facilitator as its operator sees it", function () {
  this.timeout(90_000);
  let net: FacilitatorNetwork;
  let facilitator: DaemonProcess;
  let logFile: string;

  before(async () => {
    net = await startFacilitatorNetwork();
    logFile = join(net.folder, "facilitator.log");
    const limits = { OPG_RATE_PER_SECOND: "0.2", OPG_RATE_BURST: "12", OPG_TRUSTED_PROXIES: "127.0.0.1" };
    const env = { ...(await net.environment("operations")), ...limits, OPG_LOG_LEVEL: "info" };
    facilitator = await startProcess({ name: "facilitator", program: "src/facilitator/main.ts", env, logFile });
  });

  after(async () => {
    await facilitator.stop();
    await net.close();
  });

  const logged = () =>
    readFileSync(logFile, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const valueOf = async (series: string): Promise<number> => {
    const { text } = await readMetrics(facilitator.url);
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
    return Number(line?.slice(series.length) ?? Number.NaN);
  };

  it("is ready once its chain and its database answer", async () => {
    const response = await fetch(`${facilitator.url}/ready`);
    expect([response.status, await response.json()]).to.deep.equal([200, { status: "ready", missing: {} }]);
  });

  it("shows the metrics that are documented of it, and of its process", async () => {
    const { names, text } = await readMetrics(facilitator.url);
    expect(names).to.deep.equal(documentedMetrics("facilitator"));
    expect(text).to.include("process_cpu_seconds_total").and.to.include("nodejs_eventloop_lag_p99_seconds");
    expect(text).to.include('opg_rpc_duration_seconds_count{method="eth_chainId",outcome="answered"} 1');
    expect(await valueOf('opg_database_connections{state="waiting"}')).to.equal(0);
    expect(text).not.to.match(/opg_metrics_unread_total\{/);
  });

  it("is followed by one id from the request to the signed transaction, and counts it", async () => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    const headers = { "x-request-id": "from-the-shop-1" };
    const body = JSON.stringify(await net.payFor(payer, task));
    const response = await fetch(`${facilitator.url}/tasks`, { method: "POST", headers, body });
    expect(response.status).to.equal(200);
    expect(response.headers.get("x-request-id")).to.equal("from-the-shop-1");

    const lines = logged().filter((line) => line["requestId"] === "from-the-shop-1");
    expect(lines.map((line) => line["msg"])).to.include.members(["payment claimed", "transaction signed"]);
    const about = new Set(lines.map((line) => line["taskId"] ?? line["subject"]));
    expect([...about]).to.deep.equal([net.taskIdIn(task)]);

    expect(await valueOf('opg_outbox_transactions{purpose="open",status="included"}')).to.equal(1);
    expect(await valueOf("opg_outbox_oldest_unsettled_seconds")).to.equal(0);
    expect(await valueOf('opg_unfinished_tasks{state="released"}')).to.equal(1);
    const signer = String((await net.provider.getTransaction(transactionIn(lines)))?.from);
    const balance = await valueOf(`opg_signer_balance_wei{signer="${signer}"}`);
    expect(balance).to.equal(Number(await net.provider.getBalance(signer)));
    expect(await valueOf(`opg_signer_gas_left{signer="${signer}"}`)).to.be.within(1e6, balance);

    const certificate = await net.certify(net.makeResult(task));
    const at = `${facilitator.url}/tasks/${net.taskIdIn(task)}`;
    const certified = await fetch(`${at}/certificate`, {
      method: "POST",
      headers: { "x-request-id": "from-the-node-1" },
      body: JSON.stringify(certificate),
    });
    expect(certified.status).to.equal(200);
    await askUntil(at, (answer) => answer.body.state === "settled");
    const ended = logged().find((line) => line["msg"] === "task ended");
    expect(ended).to.include({ requestId: "from-the-node-1", taskId: net.taskIdIn(task) });
  });

  it("tells how long a transaction has been on its way", async () => {
    const payer = await net.makePayer(1000n);
    const body = JSON.stringify(await net.payFor(payer, await net.makeTask(payer)));
    await net.stopMining();
    const paying = fetch(`${facilitator.url}/tasks`, { method: "POST", body });
    await sleep(2_500);
    expect(await valueOf('opg_outbox_transactions{purpose="open",status="sent"}')).to.equal(1);
    expect(await valueOf("opg_outbox_oldest_unsettled_seconds")).to.be.greaterThan(1);
    await net.goOnMining();
    expect((await paying).status).to.equal(200);
    expect(await valueOf("opg_outbox_oldest_unsettled_seconds")).to.equal(0);
  });

  it("holds back an address that asks too much, and no other", async () => {
    const info = async (address: string) =>
      (await fetch(`${facilitator.url}/info`, { headers: { "x-forwarded-for": address } })).status;
    const statuses = [];
    for (let turn = 0; turn < 13; turn += 1) statuses.push(await info("203.0.113.9"));
    expect(statuses).to.deep.equal([...Array<number>(12).fill(200), 429]);
    expect(await info("203.0.113.10")).to.equal(200);
  });

  it("is not ready without its chain, and still tells what it knows", async () => {
    await net.stopChain();
    await sleep(1_100);
    const response = await fetch(`${facilitator.url}/ready`);
    expect(response.status).to.equal(503);
    const { status, missing } = (await response.json()) as { status: string; missing: Record<string, string> };
    expect(status).to.equal("not_ready");
    expect(Object.keys(missing)).to.deep.equal(["chain"]);
    const { text } = await readMetrics(facilitator.url);
    expect(text).to.include('opg_dependency_up{dependency="chain"} 0');
    expect(text).to.include('opg_dependency_up{dependency="database"} 1');
    expect(text).not.to.match(/^opg_signer_balance_wei\{/m);
    expect(text).to.match(/^opg_outbox_transactions\{purpose="settle",status="included"\} 1$/m);
  });
});

function transactionIn(lines: readonly Record<string, unknown>[]): string {
  return String(lines.find((line) => line["msg"] === "transaction signed")?.["hash"]);
}
