import { join } from "node:path";
import { expect } from "chai";
import { startProcess } from "#scripts/network/startProcess.ts";
import { ask } from "#test/facilitator/ask.ts";
import { chainDeaths } from "./chainDeaths.ts";
import { type EngineNetwork, startEngineNetwork } from "./engineNetwork.ts";
import { merchantAt } from "./merchantNetwork.ts";

const GWEI = 10n ** 9n;

type Death = (typeof chainDeaths)[number];

describe("kill -9 right after a durable write that the chain gave cause for", function () {
  this.timeout(90_000);
  let net: EngineNetwork;

  before(async () => {
    net = await startEngineNetwork();
  });
  afterEach(() => net.goOnMining());
  after(() => net.close());

  const databaseOf = (write: Death) => `killed_${write.toLowerCase()}`;
  const startDying = async (write: Death) =>
    startProcess({
      name: "dying facilitator",
      program: "test/integration/programs/dyingFacilitator.ts",
      env: {
        ...(await net.environment(databaseOf(write))),
        OPG_LOG_LEVEL: "info",
        OPG_REORG_BLOCKS: "4",
        OPG_TEST_DIES_AFTER: write,
      },
      logFile: join(net.folder, "dying.log"),
    });
  const heightOf = async (hash: string) => (await net.provider.getTransactionReceipt(hash))?.blockNumber ?? 0;
  const reorgSince = async (block: number, transactions: readonly string[] = []): Promise<void> => {
    await net.reorg((await net.provider.getBlockNumber()) - block + 1, transactions);
  };

  /** What the chain does to a settlement, so that a facilitator makes the write. */
  const causes: Record<Exclude<Death, "recordLockLost">, (settle: () => Promise<string>) => Promise<void>> = {
    recordAttempt: async (settle) => {
      await net.stopMining();
      settle().catch(() => undefined);
      await net.until("it waits for a block", async () => (await net.pool()) === 1);
      await net.provider.send("anvil_setNextBlockBaseFeePerGas", [`0x${(500n * GWEI).toString(16)}`]);
      await net.goOnMining();
    },
    recordFinal: async (settle) => {
      await settle();
    },
    recordReorg: async (settle) => {
      const hash = await settle();
      await net.stopMining();
      await reorgSince(await heightOf(hash));
      await net.goOnMining();
    },
  };

  for (const [write, happens] of Object.entries(causes)) {
    it(`leaves the facilitator able to settle once: ${write}`, async () => {
      const payer = await net.makePayer(5000n);
      const body = await net.pay(payer);
      const dying = await startDying(write as Death);
      const settle = async () => (await merchantAt(dying.url).settle(body, 400n)).transaction;
      await happens(settle);
      await dying.ended;
      const survivor = await net.start(databaseOf(write as Death));
      const answer = await net.settledAgain(survivor.server, body, 400n);
      expect(await heightOf(answer.transaction)).to.be.greaterThan(0);
      expect(await net.opg.balanceOf(payer.address)).to.equal(4600n);
      await net.stop(survivor.daemon);
    });
  }

  it("leaves a lost lock lost, and what it was for to be collected: recordLockLost", async () => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    const dying = await startDying("recordLockLost");
    const released = await ask(`${dying.url}/tasks`, await net.payFor(payer, task));
    expect(released.status, JSON.stringify(released.body)).to.equal(200);
    await net.stopMining();
    const raw = await net.signEmptying(payer, 1000n);
    await reorgSince(released.body.transactions?.[0]?.blockNumber ?? 0, [raw]);
    await net.goOnMining();
    await dying.ended;
    const { store, daemon } = await net.start(databaseOf("recordLockLost"));
    expect(await store.findTask(net.taskIdIn(task))).to.include({ state: "released", unlocked: true });
    await (await net.opg.transfer(payer.address, 1000n)).wait();
    const at = `${daemon.url}/tasks/${net.taskIdIn(task)}`;
    await ask(`${at}/certificate`, await net.certify(net.makeResult(task)));
    await net.until("it is captured", async () => (await net.opg.balanceOf(payer.address)) === 600n);
    await net.stop(daemon);
  });
});
