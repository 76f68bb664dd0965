import { expect } from "chai";
import { createLogger } from "#service/logger.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import type { Reservation } from "#store/prefundedReservations.ts";
import { booksOf, chargeOf, newCall, newPayer } from "./prefundedCalls.ts";
import { emptyDatabase } from "./testDatabases.ts";

describe("charges of an account that a batch left out", function () {
  this.timeout(60_000);
  let store: FacilitatorStore;
  /** Another process on the same database. */
  let other: FacilitatorStore;
  const logger = createLogger("test", "silent");

  beforeEach(async () => {
    const url = await emptyDatabase();
    [store, other] = [await openFacilitatorStore(url, logger), await openFacilitatorStore(url, logger)];
  });
  afterEach(() => Promise.all([store.close(), other.close()]));

  const reserve = async (call: Reservation): Promise<string> => (await store.reservePrefunded(call)).outcome;
  const reserved = async (call: Reservation): Promise<Reservation> => {
    expect(await reserve(call)).to.equal("reserved");
    return call;
  };
  const now = 5000;
  const late = { unsettledSince: 1001 };
  const uncovered = (payer: string) => ({ payer, reason: "balance_too_low", amount: 4n });
  const charged = async (payer: string): Promise<Reservation> => {
    const call = await reserved(newCall(payer));
    await store.recordCharge(chargeOf(call, 4n, 1000));
    return call;
  };

  it("keep nobody else from being served, and wait apart until it covers them", async () => {
    const payer = newPayer();
    await charged(payer);
    expect(await reserve(newCall(newPayer(), late))).to.equal("overdue");
    await store.recordUncovered([uncovered(payer)], now);
    expect(await reserve(newCall(newPayer(), late))).to.equal("reserved");
    expect(await reserve(newCall(payer, { ...late, funds: 3n }))).to.equal("uncovered");
    expect(await store.unsettled(now, 10)).to.deep.equal({ count: 0, oldest: null });
    expect(await store.prefundedTotals()).to.deep.include({ oldestUnsettled: undefined, uncovered: 4n });
    expect(await store.uncoveredAccounts(10)).to.deep.equal([{ ...uncovered(payer), since: now, charged: 4n }]);
    await store.recordCovered([payer], now + 1);
    expect(await store.unsettled(now + 1, 10)).to.deep.equal({ count: 1, oldest: now + 1 });
    expect(await store.uncoveredAccounts(10)).to.deep.equal([]);
  });

  it("wait for a batch anew once a call passes that the account covers with them", async () => {
    const payer = newPayer();
    await charged(payer);
    await store.recordUncovered([uncovered(payer)], now);
    const { releasedAt } = (await reserved(newCall(payer, late))).release;
    expect(await store.unsettled(releasedAt, 10)).to.deep.equal({ count: 1, oldest: releasedAt });
  });

  it("are lost in the end, once, and then the account is served no more", async () => {
    const payer = newPayer();
    const { taskId } = await charged(payer);
    await store.recordUncovered([uncovered(payer)], now);
    expect(await store.chargesOf(payer)).to.deep.equal([{ taskId, payout: payer, amount: 4n }]);
    const shares = [{ role: "node" as const, recipient: payer, amount: 4n }];
    const losses = new Map([[taskId, { reason: "balance_too_low", shares }]]);
    for (const at of [store, other]) await at.recordAccountLoss(payer, newPayer(), losses);
    expect(await store.lossCounts()).to.deep.equal([{ reason: "balance_too_low", count: 1 }]);
    expect(await store.findTask(taskId)).to.deep.include({ state: "refunded" });
    expect(await booksOf(store, payer)).to.deep.include({ charged: 0n, reserved: 0n });
    expect(await store.reservePrefunded(newCall(payer))).to.deep.equal({ outcome: "lost", lost: 4n });
    await store.recordCovered([payer], now);
    expect(await reserve(newCall(payer))).to.equal("lost");
    expect(await store.uncoveredAccounts(10)).to.deep.equal([]);
  });
});
