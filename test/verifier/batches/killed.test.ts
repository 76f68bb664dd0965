import { join } from "node:path";
import { expect } from "chai";
import { localAccount } from "#deploy/localAccounts.ts";
import { startProcess } from "#scripts/network/startProcess.ts";
import { verifierBatchWrites } from "#store/verifierBatches.ts";
import { type BatchNetwork, startBatchNetwork } from "#test/facilitator/batches/batchNetwork.ts";

describe("kill -9 of a verifier right after a durable write of a batch", function () {
  this.timeout(90_000);
  let net: BatchNetwork;

  before(async () => {
    net = await startBatchNetwork();
  });
  after(() => net.close());

  it("is tried after every durable write that there is", () => {
    expect([...verifierBatchWrites]).to.deep.equal(["recordBatchReceipts"]);
  });

  it("leaves it able to sign that batch and the next", async () => {
    const { store } = await net.start("killed_verifier");
    const [, second, third] = net.verifierDaemons;
    const payer = await net.openAccount(100n);
    const first = await net.charge(store, payer, 5n);
    // Two must sign, so that nothing is settled without the one that dies.
    await Promise.all([second?.stop(), third?.stop()]);
    const dying = await startProcess({
      name: "dying verifier",
      program: "test/integration/programs/dyingVerifier.ts",
      env: {
        ...(await net.environment("verifier_1")),
        OPG_LOG_LEVEL: "info",
        OPG_PORT: new URL(second?.url ?? "").port,
        OPG_VERIFIER_KEY: localAccount("verifier2").privateKey,
        OPG_STATE: join(net.folder, "dying"),
        OPG_TEST_DIES_AFTER: "recordBatchReceipts",
      },
      logFile: join(net.folder, "dying.log"),
    });
    net.demand();
    await dying.ended;
    expect((await store.findTask(first))?.state).to.equal("certified");

    await second?.start();
    await net.ended(store, first, "settled");
    const next = await net.charge(store, payer, 6n, { seenBy: [0, 1] });
    net.demand();
    await net.ended(store, next, "settled");
    expect(await net.accountOf(payer)).to.include({ spent: 11n });
  });
});
