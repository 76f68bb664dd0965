import { expect } from "chai";
import { id } from "ethers";
import type { OpgError } from "#protocol/errors.ts";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import { createLogger } from "#service/logger.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { reorgedTasks } from "#store/taskTransitions.ts";
import { included, rejection, taskSteps } from "./taskSteps.ts";
import { emptyDatabase } from "./testDatabases.ts";

describe("the outbox in the facilitator's store", function () {
  this.timeout(60_000);
  let store: FacilitatorStore;
  const { take, newClaim, releaseOf, request, signed, watchedHashes, bring, terms } = taskSteps(() => store);

  before(async () => {
    store = await openFacilitatorStore(await emptyDatabase(), createLogger("test", "silent"));
  });
  after(async () => {
    await store.close();
  });

  describe("transactions", () => {
    it("allocates nonces without gap or repetition to fifty at the same time", async () => {
      const opened = Array.from({ length: 50 }, () => newClaim());
      await Promise.all(opened.map((claim) => take(claim)));
      const stored = await Promise.all(opened.map((claim) => store.recordTransaction(request(claim), signed)));
      const nonces = stored.map(({ nonce }) => nonce).sort((a, b) => a - b);
      expect(nonces).to.deep.equal(Array.from({ length: 50 }, (_, index) => (nonces[0] ?? 0) + index));
    });

    it("goes on from what the chain has counted", async () => {
      const claim = await bring("claimed");
      expect((await store.recordTransaction({ ...request(claim), minedNonces: 1000 }, signed)).nonce).to.equal(1000);
      const next = await bring("claimed");
      expect((await store.recordTransaction({ ...request(next), minedNonces: 3 }, signed)).nonce).to.equal(1001);
    });

    it("uses no nonce when signing fails", async () => {
      const [first, second] = [await bring("claimed"), await bring("claimed")];
      const { nonce } = await store.recordTransaction(request(first), signed);
      const failing = store.recordTransaction(request(second), () => Promise.reject(new Error("no key")));
      expect(await failing.catch((error: unknown) => (error as Error).message)).to.equal("no key");
      expect((await store.recordTransaction(request(second), signed)).nonce).to.equal(nonce + 1);
    });

    it("signs one per subject and purpose, and another only when that one reverted", async () => {
      const claim = await bring("claimed");
      const first = await store.recordTransaction(request(claim), signed);
      expect(await store.recordTransaction(request(claim), signed)).to.deep.equal(first);
      expect((await store.recordTransaction(request(claim, "settle"), signed)).nonce).to.equal(first.nonce + 1);
      await store.recordInclusion(first.hash, { ...included, status: "reverted" });
      const second = await store.recordTransaction(request(claim), signed);
      expect(second.nonce).to.equal(first.nonce + 2);
      await store.recordInclusion(second.hash, included);
      expect(await store.recordTransaction(request(claim), signed)).to.deep.equal({ ...second, ...included });
    });

    it("does not forget how a transaction ended", async () => {
      const claim = await bring("claimed");
      const { hash } = await store.recordTransaction(request(claim), signed);
      expect(await watchedHashes()).to.include(hash);
      await store.recordInclusion(hash, included);
      await store.recordInclusion(hash, { ...included, status: "reverted" });
      const [kept] = (await store.findTask(claim.taskId))?.transactions ?? [];
      expect(kept).to.deep.include(included);
      expect(await watchedHashes()).to.include(hash);
      await store.recordFinal([kept ?? { signer: "", nonce: 0 }]);
      expect(await watchedHashes()).not.to.include(hash);
      expect(await store.recordReorg(kept ?? { signer: "", nonce: 0 })).to.equal(undefined);
    });

    it("keeps every attempt of a nonce, and ends by the one that a block holds", async () => {
      const claim = await bring("claimed");
      const { hash, signer, nonce } = await store.recordTransaction(request(claim), signed);
      const attempt = { hash: id(`dearer ${nonce}`), raw: "0xdearer" };
      expect(await store.recordAttempt({ signer, nonce }, attempt, false)).to.equal(true);
      expect((await store.attemptsOf({ signer, nonce })).map((kept) => kept.hash)).to.have.members([
        hash,
        attempt.hash,
      ]);
      await store.recordInclusion(hash, included);
      const [kept] = (await store.findTask(claim.taskId))?.transactions ?? [];
      expect(kept).to.deep.include({ ...included, hash, raw: `0x${nonce}` });
      expect(await store.recordAttempt({ signer, nonce }, { hash: id("late"), raw: "0xlate" }, false)).to.equal(false);
    });

    it("gives a nonce that is cleared to nobody, and its subject another one", async () => {
      const claim = await bring("claimed");
      const { signer, nonce } = await store.recordTransaction(request(claim), signed);
      await store.recordAttempt({ signer, nonce }, { hash: id(`empty ${nonce}`), raw: "0xempty" }, true);
      expect((await store.findTask(claim.taskId))?.transactions).to.deep.equal([]);
      expect((await store.recordTransaction(request(claim), signed)).nonce).to.equal(nonce + 1);
      const cleared = (await store.watchedTransactions()).find(({ transaction }) => transaction.nonce === nonce);
      expect(cleared?.transaction.purpose).to.equal("clear");
      expect(cleared?.attempts).to.have.length(2);
    });

    it("rejects no claim whose lock is on its way or went through", async () => {
      const claim = await bring("claimed");
      const { hash } = await store.recordTransaction(request(claim), signed);
      const reject = () =>
        store.recordRejection(claim.taskId, rejection).then(
          () => "rejected",
          (error: unknown) => (error as OpgError).code,
        );
      expect(await reject()).to.equal("internal");
      await store.recordInclusion(hash, { ...included, status: "reverted" });
      expect(await reject()).to.equal("rejected");
    });
  });

  describe("a reorganisation", () => {
    /** A task at its end by a transaction of ours that a block held. */
    const ended = async (purpose: TransactionPurpose) => {
      const before = { settle: "certified", capture: "certified", refuse: "refused", refund: "expired" } as const;
      const claim = await bring(before[purpose as keyof typeof before]);
      const stored = await store.recordTransaction(request(claim, purpose), signed);
      await store.recordInclusion(stored.hash, included);
      await store.recordEnding(
        claim.taskId,
        before[purpose as keyof typeof before] === "certified" ? "settled" : "refunded",
      );
      return { claim, stored };
    };

    for (const [purpose, { from, to }] of Object.entries(reorgedTasks)) {
      it(`takes a task from ${from} back to ${to} with the ${purpose} that ended it, and forward again`, async () => {
        const { claim, stored } = await ended(purpose as TransactionPurpose);
        const onItsWay = await store.recordReorg(stored);
        expect(onItsWay).to.include({ status: "sent", blockNumber: null, blockHash: null, purpose });
        expect(await store.findTask(claim.taskId)).to.include({ state: to, reorged: true });
        await store.recordInclusion(stored.hash, included);
        await store.recordEnding(claim.taskId, from as "settled" | "refunded");
        expect((await store.findTask(claim.taskId))?.state).to.equal(from);
      });
    }

    it("leaves a task released whose lock is gone, to be locked anew or owed without", async () => {
      const claim = await bring("claimed");
      const stored = await store.recordTransaction(request(claim), signed);
      await store.recordInclusion(stored.hash, included);
      await store.recordRelease(releaseOf(claim));
      await store.recordReorg(stored);
      expect(await store.findTask(claim.taskId)).to.include({ state: "released", reorged: true, unlocked: false });
      expect(await store.tasksWithoutLock()).to.include(claim.taskId);
      await store.recordLockLost(claim.taskId);
      expect(await store.tasksWithoutLock()).not.to.include(claim.taskId);
      const { outstanding } = await store.exposureOf(claim.task.payer, terms.token);
      expect(outstanding).to.equal(claim.task.maxAmount);
    });

    it("brings back no failed transaction that nobody waits for: its nonce is to be cleared", async () => {
      const rejected = await bring("claimed");
      const opening = await store.recordTransaction(request(rejected), signed);
      await store.recordInclusion(opening.hash, { ...included, status: "reverted" });
      await store.recordRejection(rejected.taskId, rejection);
      expect(await store.recordReorg(opening)).to.include({ status: "sent", purpose: "clear" });

      const { claim, stored } = await ended("settle");
      await store.recordReorg(stored);
      await store.recordInclusion(stored.hash, { ...included, status: "reverted" });
      const again = await store.recordTransaction(request(claim, "settle"), signed);
      expect(await store.recordReorg(stored)).to.include({ status: "sent", purpose: "clear" });
      expect((await store.findTask(claim.taskId))?.transactions).to.deep.equal([again]);
    });
  });
});
