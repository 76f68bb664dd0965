import { expect } from "chai";
import { id, Wallet } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { Result } from "#protocol/result.ts";
import { policies, type SignedRelease, type Task, type TaskState, taskStates } from "#protocol/task.ts";
import { createLogger } from "#service/logger.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import type { Claim } from "#store/taskClaims.ts";
import { startTestDatabase, type TestDatabase } from "./testDatabase.ts";

const rejection = { error: { code: "open_failed" as const, message: "The money could not be locked." } };
const included = { status: "included" as const, blockNumber: 7, gasUsed: 80_000n };

describe("the facilitator's store", function () {
  this.timeout(60_000);
  let server: TestDatabase;
  let store: FacilitatorStore;
  let claims = 0;

  before(async () => {
    server = await startTestDatabase();
    store = await openFacilitatorStore(await server.urlFor("facilitator"), createLogger("test", "silent"));
  });
  after(async () => {
    await store.close();
    await server.close();
  });

  function newClaim(changes: Partial<Task> = {}): Claim {
    const name = `claim ${claims++}`;
    const { address } = new Wallet(id(name));
    const words = { model: id("version"), request: id("request"), node: address };
    const task = {
      payer: address,
      ...words,
      policy: policies.reExecution,
      maxAmount: 2n ** 128n - 1n,
      deadline: 1_800_000_000,
      nonce: 2n ** 256n - 1n,
      ...changes,
    };
    const authorization = { paymentDigest: id(`${name} paid`), signature: "0x05", validAfter: null };
    return { taskId: id(name), task, ...authorization, unlocked: false, claimedBlock: 3 };
  }
  const terms = { token: id("token"), sponsored: false, identifier: null };
  const take = async (claim: Claim): Promise<string> => (await store.claim(claim, terms)).outcome;

  const releaseOf = ({ taskId, paymentDigest, task }: Claim): SignedRelease => ({
    taskId,
    paymentDigest,
    releasedAt: 1_799_999_900,
    facilitator: task.payer,
    signature: "0x01",
  });
  const resultOf = ({ taskId, task }: Claim): Result => ({
    taskId,
    response: id("response"),
    payout: task.payer,
    amount: 5n,
    completedAt: 1_799_999_950,
  });
  const verdictOf = (claim: Claim, agrees: boolean) => ({
    ...{ verifier: claim.task.payer, resultHash: id("result"), epoch: 1, mode: 0, agrees, signature: "0x02" },
    opening: { response: id("response"), salt: id("salt") },
  });
  const request = (claim: Claim, purpose: "open" | "settle" = "open") => ({
    signer: "0xsigner",
    subject: claim.taskId,
    purpose,
    minedNonces: 0,
  });
  const signed = (nonce: number) => Promise.resolve({ hash: id(`transaction ${nonce}`), raw: `0x${nonce}` });

  /** The write that enters a state. */
  const enter: Record<Exclude<TaskState, "answered">, (claim: Claim) => Promise<unknown>> = {
    claimed: (claim) => take(claim),
    rejected: ({ taskId }) => store.recordRejection(taskId, rejection),
    released: (claim) => store.recordRelease(releaseOf(claim)),
    certified: (claim) =>
      store.recordCertificate({ result: resultOf(claim), nodeSignature: "0x03" }, [verdictOf(claim, true)]),
    refused: (claim) => store.recordRefused(claim.taskId, resultOf(claim)),
    expired: ({ taskId }) => store.recordExpiry(taskId),
    settled: ({ taskId }) => store.recordEnding(taskId, "settled"),
    refunded: ({ taskId }) => store.recordEnding(taskId, "refunded"),
  };
  const reachable = taskStates.filter((state) => state !== "answered");
  const paths: Record<(typeof reachable)[number], (typeof reachable)[number][]> = {
    claimed: ["claimed"],
    rejected: ["claimed", "rejected"],
    released: ["claimed", "released"],
    certified: ["claimed", "released", "certified"],
    settled: ["claimed", "released", "certified", "settled"],
    refused: ["claimed", "released", "refused"],
    expired: ["claimed", "released", "expired"],
    refunded: ["claimed", "released", "expired", "refunded"],
  };
  const bring = async (state: (typeof reachable)[number]): Promise<Claim> => {
    const claim = newClaim();
    for (const step of paths[state]) await enter[step](claim);
    return claim;
  };

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
      expect((await store.sentTransactions()).map((sent) => sent.hash)).to.include(hash);
      await store.recordInclusion(hash, included);
      await store.recordInclusion(hash, { ...included, status: "reverted" });
      const [kept] = (await store.findTask(claim.taskId))?.transactions ?? [];
      expect(kept).to.deep.include(included);
      expect((await store.sentTransactions()).map((sent) => sent.hash)).not.to.include(hash);
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
});
