import { expect } from "chai";
import { CamelCasePlugin, Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { createLogger } from "#service/logger.ts";
import type { FacilitatorSchema } from "#store/facilitatorSchema.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { type Reservation, reservePrefunded } from "#store/prefundedReservations.ts";
import { booksOf, CEILING, chargeOf, newCall, newPayer } from "./prefundedCalls.ts";
import { taskSteps } from "./taskSteps.ts";
import { emptyDatabase } from "./testDatabases.ts";

describe("prefunded tasks in the facilitator's store", function () {
  this.timeout(60_000);
  let url: string;
  let store: FacilitatorStore;
  /** Another process on the same database. */
  let other: FacilitatorStore;
  const logger = createLogger("test", "silent");

  beforeEach(async () => {
    url = await emptyDatabase();
    [store, other] = [await openFacilitatorStore(url, logger), await openFacilitatorStore(url, logger)];
  });
  afterEach(() => Promise.all([store.close(), other.close()]));

  const { newClaim, take, enter } = taskSteps(() => store);
  const reserve = async (call: Reservation, at = store): Promise<string> => (await at.reservePrefunded(call)).outcome;
  const reserved = async (call: Reservation): Promise<Reservation> => {
    expect(await reserve(call)).to.equal("reserved");
    return call;
  };

  it("keeps what was reserved, its release and its voucher", async () => {
    const call = await reserved(newCall(newPayer()));
    const { taskId, task, signature, release, claimedBlock } = call;
    expect(await store.findTask(taskId)).to.deep.include({
      ...{ taskId, task, signature, release, claimedBlock, paymentDigest: taskId },
      ...{ state: "released", prefunded: true, unlocked: false, transactions: [] },
    });
    expect(await store.accountOf(task.payer)).to.deep.equal({
      ...{ payer: task.payer, cap: 1000n, voucherSignature: "0x06", voucherSigner: task.payer },
      ...{ charged: 0n, reserved: CEILING },
    });
  });

  it("answers the same call with the release that came first, at the same time and later", async () => {
    const call = newCall(newPayer());
    const again = { ...call, release: { ...call.release, releasedAt: 1_799_999_999 } };
    const outcomes = await Promise.all([store.reservePrefunded(call), store.reservePrefunded(again)]);
    outcomes.push(await other.reservePrefunded(again));
    expect(outcomes.map(({ outcome }) => outcome)).to.deep.equal(["reserved", "held", "held"]);
    for (const outcome of outcomes) expect(outcome).to.deep.include({ release: call.release });
    expect(await booksOf(store, call.task.payer)).to.deep.include({ reserved: CEILING });
  });

  it("takes a nonce once, for whichever kind of task", async () => {
    const { task, taskId } = await reserved(newCall(newPayer()));
    expect(await store.reservePrefunded(newCall(task.payer, {}, { nonce: task.nonce }))).to.deep.include({
      outcome: "held",
      taskId,
    });
    const permit2 = newClaim({ payer: task.payer, nonce: task.nonce });
    expect(await take(permit2)).to.equal("held");
    const claim = newClaim({ nonce: 1n });
    expect(await take(claim)).to.equal("claimed");
    expect(await store.reservePrefunded(newCall(claim.task.payer, {}, { nonce: 1n }))).to.deep.equal({
      ...{ outcome: "held", taskId: claim.taskId, release: null },
    });
  });

  it("reserves for a task whose Permit2 payment was rejected, once", async () => {
    const claim = newClaim();
    await take(claim);
    await enter.rejected(claim);
    const { taskId, task } = claim;
    const call = newCall(task.payer, { taskId, task: { ...task, maxAmount: CEILING } });
    await reserved(call);
    expect(await store.findTask(taskId)).to.deep.include({ state: "released", prefunded: true, rejection: null });
    expect(await take(claim)).to.equal("held");
  });

  describe("never promises twice what is there", () => {
    it("at two processes at the same time", async () => {
      const payer = newPayer();
      const calls = Array.from({ length: 60 }, () => newCall(payer, { funds: 25n * CEILING }));
      const outcomes = await Promise.all(calls.map((call, index) => reserve(call, index % 2 ? store : other)));
      expect(outcomes.filter((outcome) => outcome === "reserved")).to.have.length(25);
      expect(outcomes.filter((outcome) => outcome === "uncovered")).to.have.length(35);
      expect(await booksOf(store, payer)).to.deep.include({ reserved: 25n * CEILING, charged: 0n });
    });

    it("while certificates, refusals and expiries of the same accounts come in between", async () => {
      const payers = Array.from({ length: 5 }, newPayer);
      const callsOf = (payer: string) => Array.from({ length: 12 }, () => newCall(payer, { funds: 30n * CEILING }));
      const first = payers.flatMap(callsOf);
      await Promise.all(first.map(reserved));
      const second = payers.flatMap(callsOf);
      const ending = first.map(async (call, index) => {
        const at = index % 2 ? store : other;
        if (index % 3 === 0) return at.recordCharge(chargeOf(call, 4n));
        if (index % 3 === 1) return at.recordRefund(call.taskId, call.task.payer, chargeOf(call, 4n).result);
        return undefined;
      });
      const outcomes = await Promise.all([
        ...second.map((call, index) => reserve(call, index % 2 ? other : store)),
        ...ending,
      ]);
      expect(outcomes.filter((outcome) => outcome === "reserved")).to.have.length(60);
      for (const payer of payers) {
        // A third each was charged 4 and refunded; the rest of the first and all of the second are under way.
        expect(await booksOf(store, payer)).to.deep.include({ charged: 16n, reserved: 16n * CEILING });
      }
    });

    it("under the highest cap that was shown by who signs now", async () => {
      const payer = newPayer();
      const voucherOf = (cap: bigint, signer = payer) => ({ cap, signature: `0x${cap}`, signer });
      expect(await store.reservePrefunded(newCall(payer, { voucher: null }))).to.deep.equal({
        ...{ outcome: "uncapped", cap: 0n, charged: 0n, reserved: 0n },
      });
      expect(await booksOf(store, payer)).to.deep.include({ cap: 0n });
      await reserved(newCall(payer, { voucher: voucherOf(20n) }));
      await reserved(newCall(payer, { voucher: voucherOf(15n) }));
      expect(await booksOf(store, payer)).to.deep.include({ cap: 20n, reserved: 20n });
      expect(await store.reservePrefunded(newCall(payer, { voucher: null }))).to.deep.equal({
        ...{ outcome: "uncapped", cap: 20n, charged: 0n, reserved: 20n },
      });
      const key = newPayer();
      const replaced = { authorizers: [key], voucher: null };
      expect(await store.reservePrefunded(newCall(payer, replaced))).to.deep.include({ outcome: "uncapped", cap: 0n });
      await reserved(newCall(payer, { ...replaced, voucher: voucherOf(30n, key) }));
      expect(await store.accountOf(payer)).to.deep.include({ cap: 30n, voucherSigner: key, voucherSignature: "0x30" });
    });

    it("beyond what batches took before these books began", async () => {
      const payer = newPayer();
      await reserved(newCall(payer, { spent: 990n }));
      expect(await booksOf(store, payer)).to.deep.include({ charged: 990n, reserved: CEILING });
      expect(await reserve(newCall(payer, { spent: 990n }))).to.equal("uncapped");
      expect(
        await reserve(newCall(payer, { spent: 990n, voucher: { cap: 2000n, signature: "0x07", signer: payer } })),
      ).to.equal("uncovered");
    });
  });

  describe("a certificate", () => {
    it("puts its charge in the place of the ceiling, once", async () => {
      const call = await reserved(newCall(newPayer()));
      const charge = chargeOf(call, 4n);
      const told = await Promise.all([
        store.recordCharge(charge),
        store.recordCharge(charge),
        other.recordCharge(charge),
      ]);
      expect(told).to.deep.equal([true, true, true]);
      expect(await booksOf(store, call.task.payer)).to.deep.include({ charged: 4n, reserved: 0n });
      const { result, nodeSignature, verdicts } = charge;
      expect(await store.findTask(call.taskId)).to.deep.include({
        state: "certified",
        result,
        nodeSignature,
        verdicts,
      });
    });

    it("that charges nothing ends the task", async () => {
      const call = await reserved(newCall(newPayer()));
      expect(await store.recordCharge(chargeOf(call, 0n))).to.equal(true);
      expect(await store.findTask(call.taskId)).to.deep.include({ state: "settled" });
      expect(await booksOf(store, call.task.payer)).to.deep.include({ charged: 0n, reserved: 0n });
    });

    it("comes too late for what was refused or overdue, and the others of its group go on", async () => {
      const payer = newPayer();
      const [refused, overdue, inTime] = [newCall(payer), newCall(payer, {}, { deadline: 1 }), newCall(payer)] as const;
      for (const call of [refused, overdue, inTime]) await reserved(call);
      await store.recordRefund(refused.taskId, payer, chargeOf(refused, 4n).result);
      expect(await store.recordOverdue([overdue.taskId, refused.taskId])).to.deep.equal([overdue.taskId]);
      const calls = [refused, overdue, inTime, newCall(payer)];
      const told = await Promise.all(calls.map((call) => store.recordCharge(chargeOf(call, 4n))));
      expect(told).to.deep.equal([false, false, true, false]);
      expect(await booksOf(store, payer)).to.deep.include({ charged: 4n, reserved: 0n });
    });
  });

  it("frees what a quorum refused, once, and no task that is charged", async () => {
    const payer = newPayer();
    const [refused, charged] = [await reserved(newCall(payer)), await reserved(newCall(payer))];
    const { result } = chargeOf(refused, 4n);
    for (const at of [store, other]) await at.recordRefund(refused.taskId, payer, result);
    expect(await store.findTask(refused.taskId)).to.deep.include({ state: "refunded", result });
    await store.recordCharge(chargeOf(charged, 4n));
    const failure = await store.recordRefund(charged.taskId, payer, result).catch((error: unknown) => error);
    expect(failure).to.deep.include({ code: "internal" });
    expect(await booksOf(store, payer)).to.deep.include({ charged: 4n, reserved: 0n });
  });

  it("frees what is overdue, once, and nothing that is not", async () => {
    const payer = newPayer();
    const due = await reserved(newCall(payer, {}, { deadline: 100 }));
    await reserved(newCall(payer, {}, { deadline: 101 }));
    expect(await store.overdueCalls(101)).to.deep.equal([due.taskId]);
    const ended = await Promise.all([store, other].map((at) => at.recordOverdue([due.taskId])));
    expect(ended.flat()).to.deep.equal([due.taskId]);
    expect(await store.overdueCalls(101)).to.deep.equal([]);
    expect(await booksOf(store, payer)).to.deep.include({ reserved: CEILING });
  });

  it("reserves nothing while a certificate waits too long that no verifier refuses, but answers what it released", async () => {
    const payer = newPayer();
    const call = await reserved(newCall(payer));
    await store.recordCharge(chargeOf(call, 4n, 1000));
    await reserved(newCall(payer, { unsettledSince: 1000 }));
    const late = { unsettledSince: 1001 };
    expect(await store.reservePrefunded(newCall(payer, late))).to.deep.equal({ outcome: "overdue", certifiedAt: 1000 });
    expect(await store.reservePrefunded({ ...call, ...late })).to.deep.include({
      outcome: "held",
      release: call.release,
    });
    await store.recordSetAside([{ taskId: call.taskId, reasons: {}, retryAt: 2000 }]);
    expect(await store.reservePrefunded(newCall(payer, late))).to.deep.include({ outcome: "reserved" });
  });

  it("is left alone by whoever takes other tasks further", async () => {
    const call = await reserved(newCall(newPayer(), {}, { deadline: 1 }));
    expect(await store.tasksIn(["released"], 100)).to.deep.equal([]);
    await store.recordCharge(chargeOf(call, 4n));
    expect(await store.tasksIn(["certified"])).to.deep.equal([]);
    expect(await store.tasksWithoutLock()).to.deep.equal([]);
    expect(await store.unfinishedTasks()).to.deep.equal([]);
  });

  it("adds up for whoever watches", async () => {
    expect(await store.prefundedTotals()).to.deep.equal({
      ...{ reserved: 0n, unsettled: 0n, accounts: 0, oldestUnsettled: undefined },
      ...{ waiting: 0, setAside: 0, uncovered: 0n, uncoveredAccounts: 0 },
    });
    const [first, second] = [await reserved(newCall(newPayer())), await reserved(newCall(newPayer()))];
    await store.recordCharge(chargeOf(first, 4n, 2000));
    await store.recordCharge(chargeOf(second, 3n, 1000));
    await reserved(newCall(first.task.payer));
    expect(await store.prefundedTotals()).to.deep.equal({
      ...{
        reserved: CEILING,
        unsettled: 7n,
        accounts: 2,
        oldestUnsettled: 1000,
        waiting: 2,
        setAside: 0,
        uncovered: 0n,
        uncoveredAccounts: 0,
      },
    });
  });

  it("asks the database as often for a hundred calls as for one", async () => {
    let queries = 0;
    const count = (): void => {
      queries++;
    };
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    const dialect = new PostgresDialect({ pool });
    const db = new Kysely<FacilitatorSchema>({ dialect, plugins: [new CamelCasePlugin()], log: count });
    const queriesFor = async (count: number): Promise<number> => {
      const before = queries;
      const calls = Array.from({ length: count }, () => newCall(newPayer()));
      const outcomes = await reservePrefunded(db, calls);
      expect(outcomes.filter(({ outcome }) => outcome === "reserved")).to.have.length(count);
      return queries - before;
    };
    const [one, hundred] = [await queriesFor(1), await queriesFor(100)];
    await db.destroy();
    expect([one, hundred]).to.deep.equal([8, 8]);
  });
});
