import { expect } from "chai";
import { OpgError } from "#protocol/errors.ts";
import { createLogger } from "#service/logger.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { reachable, rejection, taskSteps } from "./taskSteps.ts";
import { emptyDatabase } from "./testDatabases.ts";

describe("the facilitator's store", function () {
  this.timeout(60_000);
  let store: FacilitatorStore;

  before(async () => {
    store = await openFacilitatorStore(await emptyDatabase(), createLogger("test", "silent"));
  });
  after(async () => {
    await store.close();
  });

  const { newClaim, take, releaseOf, resultOf, verdictOf, request, signed, enter, bring } = taskSteps(() => store);

  it("gives back what was put in", async () => {
    const claim = newClaim();
    expect(await store.findTask(claim.taskId)).to.equal(undefined);
    await take(claim);
    await store.recordRelease(releaseOf(claim));
    await enter.certified(claim);
    expect(await store.findTask(claim.taskId)).to.deep.equal({
      ...claim,
      state: "certified",
      release: releaseOf(claim),
      result: resultOf(claim),
      nodeSignature: "0x03",
      verdicts: [verdictOf(claim, true)],
      transactions: [],
      rejection: null,
      reorged: false,
      prefunded: false,
    });
  });

  describe("claims", () => {
    it("takes one of fifty at the same time, and holds the others off", async () => {
      const claim = newClaim();
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => take(claim)));
      expect(outcomes.filter((outcome) => outcome === "claimed")).to.have.length(1);
      expect(outcomes.filter((outcome) => outcome === "held")).to.have.length(49);
    });

    it("takes one of fifty tasks with the same nonce at the same time", async () => {
      const { task } = newClaim();
      const claimsOfOne = Array.from({ length: 50 }, () => newClaim({ payer: task.payer, nonce: 1n }));
      const outcomes = await Promise.all(claimsOfOne.map((claim) => take(claim)));
      expect(outcomes.filter((outcome) => outcome === "claimed")).to.have.length(1);
      expect(outcomes.filter((outcome) => outcome === "held")).to.have.length(49);
      const winner = claimsOfOne[outcomes.indexOf("claimed")];
      expect(await store.holdingOf(task.payer, 1n, null)).to.include({ by: "nonce", holder: winner?.taskId });
    });

    it("frees the nonce of a rejected claim, for the same task or another, but not for both", async () => {
      const first = newClaim();
      const second = newClaim({ payer: first.task.payer, nonce: first.task.nonce });
      await take(first);
      await store.recordRejection(first.taskId, rejection);
      expect((await store.findTask(first.taskId))?.rejection).to.deep.equal(rejection);
      expect(await store.holdingOf(first.task.payer, first.task.nonce, null)).to.equal(undefined);
      expect(await take(first)).to.equal("claimed");
      await store.recordRejection(first.taskId, rejection);
      expect(await take(second)).to.equal("claimed");
      expect(await take(first)).to.equal("held");
    });
  });

  describe("states", () => {
    const steps = [
      "claimed rejected",
      "claimed released",
      "released certified",
      "released refused",
      "released expired",
      "released settled",
      "certified settled",
      "certified refused",
      "certified expired",
      "refused refunded",
      "refused settled",
      "expired refunded",
    ];
    for (const from of reachable) {
      for (const to of reachable.filter((state) => state !== from && state !== "claimed")) {
        const allowed = steps.includes(`${from} ${to}`);
        it(`${allowed ? "goes" : "does not go"} from ${from} to ${to}`, async () => {
          const claim = await bring(from);
          const error = await enter[to](claim).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          if (!allowed) expect(error).to.include({ code: "internal" });
          expect((await store.findTask(claim.taskId))?.state).to.equal(allowed ? to : from);
        });
      }
    }

    it("takes the same write twice as once", async () => {
      const claim = await bring("certified");
      const before = await store.findTask(claim.taskId);
      await enter.certified(claim);
      expect(await store.findTask(claim.taskId)).to.deep.equal(before);
    });

    it("keeps an agreement of a verifier who has refused before: no word displaces another", async () => {
      const claim = await bring("released");
      await store.recordRefusal(resultOf(claim), verdictOf(claim, false));
      await store.recordRefusal(resultOf(claim), verdictOf(claim, false));
      await enter.certified(claim);
      const stored = await store.findTask(claim.taskId);
      expect(stored?.verdicts.map(({ agrees }) => agrees)).to.have.members([true, false]);
    });

    it("locks no money for a claim that was rejected meanwhile", async () => {
      const claim = await bring("rejected");
      const refusal = await store.recordTransaction(request(claim), signed).catch((error: unknown) => error);
      expect(refusal).to.be.instanceOf(OpgError);
      expect((await store.findTask(claim.taskId))?.transactions).to.deep.equal([]);
    });

    it("finds tasks by state and by deadline, the earliest first", async () => {
      const late = newClaim({ deadline: 20 });
      const early = newClaim({ deadline: 10 });
      for (const claim of [late, early]) await take(claim);
      expect(await store.tasksIn(["claimed"], 21)).to.deep.equal([early.taskId, late.taskId]);
      expect(await store.tasksIn(["claimed"], 20)).to.deep.equal([early.taskId]);
      expect(await store.tasksIn(["released"], 21)).to.deep.equal([]);
    });
  });
});
