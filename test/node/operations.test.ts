import { expect } from "chai";
import { sha256 } from "ethers";
import { Agent, request } from "undici";
import { pinnedDispatcher } from "#service/pinnedDispatcher.ts";
import { documentedMetrics, readMetrics } from "#test/docs/documentedMetrics.ts";
import { rejection } from "#test/execution/rejection.ts";
import { negation } from "./models.ts";
import { type AdmittedNode, eventually, type NodeNetwork, startNodeNetwork } from "./nodeNetwork.ts";

describe("a node as its operator sees it", () => {
  let network: NodeNetwork;
  let node: AdmittedNode;
  let versionId: string;

  before(async function () {
    this.timeout(120_000);
    network = await startNodeNetwork();
    versionId = await network.publish("negation");
    await network.upload(sha256(negation), negation);
    node = await network.admitted(await network.start("operator1"));
    await network.loaded(node, versionId);
  });

  after(async () => {
    await node.daemon.stop();
    await network.close();
  });

  it("is ready once it is admitted, and shows its lease and what else is documented of it", async () => {
    const dispatcher = pinnedDispatcher(node.tlsKeyHash);
    const { statusCode, body } = await request(`${node.daemon.url}/ready`, { dispatcher });
    expect([statusCode, await body.json()]).to.deep.equal([200, { status: "ready", missing: {} }]);
    const { names, text } = await readMetrics(node.daemon.url, dispatcher);
    expect(names).to.deep.equal(documentedMetrics("node"));
    const { leaseUntil } = await network.registered(node.address);
    const [, left = ""] = /^opg_lease_seconds_left (\d+)$/m.exec(text) ?? [];
    expect(Number(left)).to.be.closeTo(leaseUntil - network.clock(), 2);
    expect(text)
      .to.include("opg_runnable_versions 1")
      .and.not.to.match(/^opg_metrics_unread_total\{/m);
    await dispatcher.close();
  });

  it("is not ready before it is admitted, and says so", async () => {
    const away = network.verifiers.slice(0, 2);
    for (const verifier of away) await verifier.stop();
    const daemon = await network.start("operator2");
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const { statusCode, body } = await request(`${daemon.url}/ready`, { dispatcher });
    const missing = { admission: "the registry does not name this node as active" };
    expect([statusCode, await body.json()]).to.deep.equal([503, { status: "not_ready", missing }]);
    await daemon.stop();
    await dispatcher.close();
    for (const verifier of away) await verifier.start();
  });

  it("counts what it was paid to run", async () => {
    const { body } = await network.release(node.address, versionId, [1, 2]);
    await node.answer(body);
    const dispatcher = pinnedDispatcher(node.tlsKeyHash);
    const { text } = await readMetrics(node.daemon.url, dispatcher);
    expect(text).to.include("opg_enclave_executions_total 1").and.to.include('opg_tasks_total{outcome="done"} 1');
    await dispatcher.close();
  });

  it("begins no task once its measurement has ended, and brings what it had begun to its certificate", async () => {
    const begun = await network.release(node.address, versionId, [3]);
    const open = Promise.withResolvers<undefined>();
    network.facilitator.gate = open.promise;
    const running = node.answer(begun.body).then(({ verdicts }) => verdicts.length);
    await eventually(async () => (await node.info()).executions === 2 || undefined);
    await network.setMeasurement(0, 0);
    const { body } = await network.release(node.address, versionId, [4]);
    expect((await rejection(node.answer(body))).code).to.equal("no_active_node");
    open.resolve(undefined);
    expect(await running).to.equal(3);
    expect((await node.info()).executions).to.equal(2);
  });
});
