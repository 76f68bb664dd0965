import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import hre from "hardhat";
import { startHub } from "#hub/startHub.ts";
import type { Network } from "#protocol/network.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { networkFixture } from "#test/contracts/fixture.ts";
import { documentedMetrics, readMetrics } from "#test/docs/documentedMetrics.ts";
import { type ServedChain, serveChain } from "#test/node/serveChain.ts";

const nowhere = "http://127.0.0.1:9";

describe("startHub", () => {
  let folder: string;
  let chain: ServedChain;
  let hub: Daemon;

  before(async function () {
    this.timeout(60_000);
    const connection = await hre.network.create();
    const { addresses, chainId, deploymentBlock, parameters, wallets, entry } = await networkFixture(connection);
    const { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds } = parameters;
    chain = await serveChain(connection);
    folder = await mkdtemp(join(tmpdir(), "opg-hub-start-"));
    const network: Network = {
      ...{ name: "test", chainId, rpcUrl: chain.url, deploymentBlock, contracts: addresses },
      parameters: { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds },
      ...{ hub: nowhere, gateway: nowhere, verifiers: [] },
      facilitators: [{ address: wallets.facilitator.address, entry, url: nowhere }],
    };
    await writeFile(join(folder, "network.json"), JSON.stringify(network));
    hub = await startHub({
      OPG_NETWORK: join(folder, "network.json"),
      OPG_STATE: join(folder, "blobs"),
      OPG_PORT: "0",
      OPG_LOG_LEVEL: "silent",
      OPG_RATE_PER_SECOND: "0.1",
      OPG_RATE_BURST: "2",
    });
  });

  after(async () => {
    await hub.stop();
    await chain.close();
    await rm(folder, { recursive: true });
  });

  const ready = async () => {
    const response = await fetch(`${hub.url}/ready`);
    return { status: response.status, body: await response.json() };
  };

  it("shows the metrics that are documented of it", async () => {
    const { names, text } = await readMetrics(hub.url);
    expect(names).to.deep.equal(documentedMetrics("hub"));
    expect(text)
      .to.match(/^opg_storage_free_bytes \d{4,}$/m)
      .and.not.to.match(/^opg_metrics_unread_total\{/m);
  });

  it("holds back an address that asks too much, whatever it says of itself", async () => {
    const statuses = [];
    for (const claimed of ["203.0.113.1", "203.0.113.2", "203.0.113.3"]) {
      const headers = { "x-forwarded-for": claimed };
      statuses.push((await fetch(`${hub.url}/blobs/0x00`, { headers })).status);
    }
    expect(statuses).to.deep.equal([404, 404, 429]);
  });

  it("is ready while it can store blobs, and not without its folder", async () => {
    expect(await ready()).to.deep.equal({ status: 200, body: { status: "ready", missing: {} } });
    await rm(join(folder, "blobs"), { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const missing = { storage: "does not answer" };
    expect(await ready()).to.deep.equal({ status: 503, body: { status: "not_ready", missing } });
  });
});
