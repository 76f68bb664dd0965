import { join } from "node:path";
import { expect } from "chai";
import { id } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import { makeBatch } from "#facilitator/batches/makeBatch.ts";
import { startProcess } from "#scripts/network/startProcess.ts";
import { createLogger } from "#service/logger.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { batchWrites } from "#store/facilitatorBatches.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { uncoveredWrites } from "#store/uncoveredAccounts.ts";
import { diedAtOnce } from "#test/integration/programs/diedAtOnce.ts";
import { type BatchNetwork, startBatchNetwork } from "./batchNetwork.ts";

/** Where the facilitator dies while it makes a batch; more than once where one batch comes by all of them. */
const deaths = [
  ["recordBatch", "recordBatchCertificate", "recordTransaction", "recordInclusion", "recordBatchSettled"],
  ["recordSetAside"],
  ["recordBatchDropped"],
  ["recordUncovered"],
  ["recordCovered"],
  ["recordAccountLoss"],
] as const;
type Death = (typeof deaths)[number][number];

describe("kill -9 right after a durable write of a batch", function () {
  this.timeout(90_000);
  let net: BatchNetwork;
  let books: FacilitatorStore | undefined;
  let survivor: Daemon | undefined;

  before(async () => {
    net = await startBatchNetwork();
  });
  afterEach(async () => {
    await survivor?.stop();
    await books?.close();
    survivor = books = undefined;
  });
  after(() => net.close());

  it("is tried after every durable write that there is", () => {
    expect(deaths.flat()).to.have.members([...batchWrites, ...uncoveredWrites, "recordTransaction", "recordInclusion"]);
  });

  /** A certified batch that the chain does not take any more, so that it is dropped. */
  const leaveStaleBatch = async (store: FacilitatorStore, payer: string, taskId: string): Promise<void> => {
    const receipt = { salt: id("salt"), taskId, resultHash: id("result"), payer, payout: payer, amount: 5n };
    const place = { facilitator: net.facilitator.address, previous: id("overtaken"), epoch: 1n };
    const batch = makeBatch([receipt], place, net.settlement);
    await store.recordBatch(batch);
    await store.recordBatchCertificate(batch.batchId, "0x");
  };

  /** Somebody who owes more than the account holds, unless a friend deposits; long ago, where it is to be given up. */
  const leaveDebtor = async (store: FacilitatorStore, write: Death): Promise<string | undefined> => {
    if (write !== "recordUncovered" && write !== "recordCovered" && write !== "recordAccountLoss") return undefined;
    const debtor = await net.openAccount(write === "recordCovered" ? 9n : 1n);
    const owed = await net.charge(store, debtor, 9n);
    const since = write === "recordAccountLoss" ? 0 : await net.now();
    const account = { payer: debtor.address, reason: "balance_too_low", amount: 9n };
    if (write !== "recordUncovered") await store.recordUncovered([account], since);
    return owed;
  };

  /** A facilitator that dies after a write, which may be all that it has to do, so before it listens. */
  const dieAfter = async (write: Death, variables: Record<string, string>): Promise<void> => {
    const options = { name: "dying facilitator", program: "test/integration/programs/dyingFacilitator.ts" };
    const env = { ...variables, OPG_LOG_LEVEL: "info", OPG_TEST_DIES_AFTER: write };
    const logFile = join(net.folder, `${write}.log`);
    const dying = await startProcess({ ...options, env, logFile }).catch(diedAtOnce);
    await dying?.ended;
  };

  for (const writes of deaths) {
    const [write] = writes;
    it(`leaves the facilitator able to settle each receipt once: ${writes.join(", ")}`, async () => {
      const variables: Record<string, string> = {
        ...(await net.environment(`dies_${write.toLowerCase()}`)),
        OPG_BATCH_AGE_SECONDS: "1",
      };
      books = await openFacilitatorStore(variables["DATABASE_URL"] ?? "", createLogger("test", "silent"));
      const payer = await net.openAccount(1000n);
      const taskIds = [await net.charge(books, payer, 5n), await net.charge(books, payer, 6n)];
      if (write === "recordBatchDropped") await leaveStaleBatch(books, payer.address, taskIds[0] ?? "");
      const owed = await leaveDebtor(books, write);
      const refusedBy = write === "recordSetAside" ? [2] : [];
      const disputed = await net.charge(books, payer, 100n, { refusedBy });
      for (const each of writes) await dieAfter(each, variables);

      survivor = await startFacilitator(variables);
      for (const taskId of taskIds) await net.ended(books, taskId, "settled");
      const settled = (write === "recordSetAside" ? 0n : 100n) + 11n;
      await net.until("all of it is taken", async () => (await net.accountOf(payer)).spent === settled);
      expect((await books.findTask(disputed))?.state).to.equal(refusedBy.length > 0 ? "certified" : "settled");
      const ends = { recordUncovered: "certified", recordCovered: "settled", recordAccountLoss: "refunded" } as const;
      if (owed && write in ends) await net.ended(books, owed, ends[write as keyof typeof ends]);
      const isLost = write === "recordAccountLoss";
      expect(await books.lossCounts()).to.deep.equal(isLost ? [{ reason: "balance_too_low", count: 1 }] : []);
      expect(await books.unfinishedBatches()).to.deep.equal([]);
    });
  }
});
