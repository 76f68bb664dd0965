import { join } from "node:path";
import { expect } from "chai";
import { startFacilitator } from "#facilitator/start.ts";
import { startProcess } from "#scripts/network/startProcess.ts";
import { createLogger } from "#service/logger.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { openFacilitatorStore } from "#store/facilitatorStore.ts";
import { prefundedWrites } from "#store/prefundedTasks.ts";
import { ask, askUntil } from "#test/facilitator/ask.ts";
import { booksOf } from "#test/store/prefundedCalls.ts";
import { type PrefundedNetwork, startPrefundedNetwork } from "./prefundedNetwork.ts";

/** What is sent while the facilitator dies, and what the account is charged in the end. */
const deaths = { reservePrefunded: 0n, recordCharge: 400n, recordRefund: 0n, recordOverdue: 0n } as const;
type Write = keyof typeof deaths;

describe("kill -9 right after a durable write of a prefunded call", function () {
  this.timeout(90_000);
  let net: PrefundedNetwork;
  let survivor: Daemon | undefined;

  before(async () => {
    net = await startPrefundedNetwork();
  });
  afterEach(async () => {
    await survivor?.stop();
    survivor = undefined;
  });
  after(() => net.close());

  it("is tried after every durable write that there is", () => {
    expect(Object.keys(deaths)).to.have.members([...prefundedWrites]);
  });

  for (const write of Object.keys(deaths) as Write[]) {
    it(`leaves nothing reserved or charged twice: ${write}`, async () => {
      const environment = await net.environment(`killed_${write.toLowerCase()}`);
      const payer = await net.makeAccount(2000n);
      const task = await net.makeTask(payer, { nonce: 1n });
      const payment = await net.payFromAccount(payer, task, { cap: 2000n });
      const result = net.makeResult(task);
      const certificate = await net.certify(result);
      const refusals = await Promise.all(net.verifiers.slice(0, 2).map((verifier) => net.refuse(result, verifier)));
      const act = async (url: string) => {
        const taskUrl = `${url}/tasks/${net.taskIdIn(task)}`;
        const released = await ask(`${url}/tasks`, payment);
        if (write === "recordCharge") await ask(`${taskUrl}/certificate`, certificate);
        if (write === "recordRefund") for (const refusal of refusals) await ask(`${taskUrl}/refusals`, refusal);
        return released;
      };

      const dying = await startProcess({
        name: "dying facilitator",
        program: "test/integration/programs/dyingFacilitator.ts",
        env: { ...environment, OPG_LOG_LEVEL: "info", OPG_TEST_DIES_AFTER: write },
        logFile: join(net.folder, "dying.log"),
      });
      const first = await act(dying.url).catch((error: unknown) => error);
      if (write === "recordOverdue") await net.passSeconds(182);
      await dying.ended;
      expect(first instanceof Error).to.equal(
        write === "reservePrefunded" || write === "recordCharge" || write === "recordRefund",
      );

      survivor = await startFacilitator(environment, { clock: net.clock });
      const { status, body } = await act(survivor.url);
      expect(status, JSON.stringify(body)).to.equal(200);
      const ended = { reservePrefunded: "released", recordCharge: "certified" } as Partial<Record<Write, string>>;
      const state = ended[write] ?? "refunded";
      await askUntil(`${survivor.url}/tasks/${net.taskIdIn(task)}`, (answer) => answer.body.state === state);
      const store = await openFacilitatorStore(environment["DATABASE_URL"] ?? "", createLogger("test", "silent"));
      const reserved = write === "reservePrefunded" ? 1000n : 0n;
      expect(await booksOf(store, payer.address)).to.deep.equal({ charged: deaths[write], reserved, cap: 2000n });
      await store.close();
    });
  }
});
