import { expect } from "chai";
import { id, Wallet } from "ethers";
import { policies } from "#protocol/task.ts";
import { createLogger } from "#service/logger.ts";
import type { Loss } from "#store/facilitatorClaims.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import type { Claim, ClaimTerms } from "#store/taskClaims.ts";
import { emptyDatabase } from "./testDatabases.ts";

const token = new Wallet(id("token")).address;
const deadline = 1_800_000_000;
const loss: Loss = {
  reason: "nonce_burned",
  shares: [
    { role: "node", recipient: "the node's payout", amount: 8n },
    { role: "verifiers", recipient: "the verifiers", amount: 1n },
    { role: "treasury", recipient: "the node's payout", amount: 1n },
  ],
};

describe("claims of nonces", function () {
  this.timeout(60_000);
  let store: FacilitatorStore;
  let payers = 0;

  before(async () => {
    store = await openFacilitatorStore(await emptyDatabase(), createLogger("test", "silent"));
  });
  after(async () => {
    await store.close();
  });

  const somebody = (): string => new Wallet(id(`payer ${payers++}`)).address;

  function claimOf(payer: string, nonce: bigint, changes: Partial<Claim> = {}): Claim {
    const words = { model: id("version"), request: id("request"), node: payer, policy: policies.reExecution };
    const name = `${payer} ${nonce}`;
    const authorization = { paymentDigest: id(`${name} paid`), signature: "0x05", validAfter: 0n };
    const task = { payer, ...words, maxAmount: 10n, deadline, nonce };
    return { taskId: id(name), task, ...authorization, unlocked: true, claimedBlock: 3, ...changes };
  }
  const claim = async (payer: string, nonce: bigint, terms: Partial<ClaimTerms> = {}, changes: Partial<Claim> = {}) =>
    store.claim(claimOf(payer, nonce, changes), { token, sponsored: false, identifier: null, ...terms });
  const outcomeOf = async (...given: Parameters<typeof claim>): Promise<string> => (await claim(...given)).outcome;
  const release = (payer: string, nonce: bigint) => {
    const { taskId, paymentDigest } = claimOf(payer, nonce);
    return store.recordRelease({ taskId, paymentDigest, releasedAt: 1, facilitator: payer, signature: "0x01" });
  };
  const reject = (payer: string, nonce: bigint) =>
    store.recordRejection(claimOf(payer, nonce).taskId, { error: { code: "open_failed", message: "No." } });
  const lose = (payer: string, nonce: bigint) => store.recordExpiry(claimOf(payer, nonce).taskId, loss);
  const many = <Outcome>(work: (index: number) => Promise<Outcome>) =>
    Promise.all(Array.from({ length: 50 }, (_, index) => work(index)));

  it("never let a payer owe more than the cap, however many come at the same time", async () => {
    const payer = somebody();
    const outcomes = await many((index) => outcomeOf(payer, BigInt(index), { cap: 35n }));
    expect(outcomes.filter((outcome) => outcome === "claimed")).to.have.length(3);
    expect(outcomes.filter((outcome) => outcome === "overexposed")).to.have.length(47);
    expect(await store.exposureOf(payer, token)).to.deep.equal({ outstanding: 30n, lost: 0n });
  });

  it("never let a payer owe more than it has, however many come at the same time", async () => {
    const payer = somebody();
    const outcomes = await many((index) => outcomeOf(payer, BigInt(index), { funds: 20n }));
    expect(outcomes.filter((outcome) => outcome === "claimed")).to.have.length(2);
    expect(outcomes.filter((outcome) => outcome === "uncovered")).to.have.length(48);
  });

  it("with a lock owe nothing, and are not held to the cap", async () => {
    const payer = somebody();
    expect(await outcomeOf(payer, 0n, { cap: 5n }, { unlocked: false })).to.equal("claimed");
    expect(await store.exposureOf(payer, token)).to.deep.equal({ outstanding: 0n, lost: 0n });
  });

  it("count each token for itself", async () => {
    const payer = somebody();
    await claim(payer, 0n, { cap: 10n });
    expect(await outcomeOf(payer, 1n, { cap: 10n })).to.equal("overexposed");
    expect(await outcomeOf(payer, 1n, { cap: 10n, token: "another" })).to.equal("claimed");
  });

  it("end with the task: what it owed is free, and the nonce stays taken", async () => {
    const payer = somebody();
    await claim(payer, 0n, { cap: 10n });
    await release(payer, 0n);
    await store.recordExpiry(claimOf(payer, 0n).taskId);
    await store.recordEnding(claimOf(payer, 0n).taskId, "refunded");
    expect(await store.exposureOf(payer, token)).to.deep.equal({ outstanding: 0n, lost: 0n });
    expect(await claim(payer, 0n)).to.deep.include({ outcome: "held", by: "nonce", holder: claimOf(payer, 0n).taskId });
    expect(await outcomeOf(payer, 1n, { cap: 10n })).to.equal("claimed");
  });

  it("give nonce and identifier back when they are rejected, for another task of the same authorization too", async () => {
    const payer = somebody();
    await claim(payer, 0n, { identifier: "an identifier of theirs" });
    await reject(payer, 0n);
    expect(await store.exposureOf(payer, token)).to.deep.equal({ outstanding: 0n, lost: 0n });
    const other = { taskId: id(`another task of ${payer}`) };
    expect(await outcomeOf(payer, 0n, { identifier: "an identifier of theirs" }, other)).to.equal("claimed");
    const again = await claim(payer, 0n);
    expect(again).to.deep.include({ outcome: "held", holder: other.taskId });
  });

  describe("with an identifier", () => {
    const identifier = "the identifier of a purchase";

    it("are taken once per payer, by one of fifty at the same time", async () => {
      const [payer, other] = [somebody(), somebody()];
      const outcomes = await many((index) => claim(payer, BigInt(index), { identifier }));
      const first = outcomes.findIndex(({ outcome }) => outcome === "claimed");
      const held = outcomes.filter(({ outcome }) => outcome === "held");
      expect(held).to.have.length(49);
      const { taskId } = claimOf(payer, BigInt(first));
      for (const outcome of held) expect(outcome).to.include({ by: "identifier", holder: taskId, identifier });
      expect(await outcomeOf(other, 0n, { identifier })).to.equal("claimed");
    });

    it("are found by it, and by the nonce first", async () => {
      const payer = somebody();
      await claim(payer, 0n, { identifier });
      await claim(payer, 1n);
      expect(await store.holdingOf(payer, 7n, identifier)).to.deep.include({ by: "identifier" });
      const { taskId, paymentDigest } = claimOf(payer, 1n);
      expect(await store.holdingOf(payer, 1n, identifier)).to.deep.equal({
        by: "nonce",
        holder: taskId,
        paymentDigest,
      });
      expect(await store.holdingOf(payer, 7n, null)).to.equal(undefined);
    });
  });

  it("sponsor one permit of a payer at a time for each token", async () => {
    const payer = somebody();
    const outcomes = await many((index) => outcomeOf(payer, BigInt(index), { sponsored: true }));
    expect(outcomes.filter((outcome) => outcome === "claimed")).to.have.length(1);
    expect(outcomes.filter((outcome) => outcome === "sponsoring")).to.have.length(49);
    expect(await outcomeOf(payer, 61n, { sponsored: true, token: somebody() })).to.equal("claimed");
    await release(payer, BigInt(outcomes.indexOf("claimed")));
    expect(await outcomeOf(payer, 60n, { sponsored: true })).to.equal("claimed");
  });

  describe("that were lost", () => {
    it("are recorded once, with who lost what, however often they are told", async () => {
      const payer = somebody();
      await claim(payer, 0n);
      await release(payer, 0n);
      await many(() => lose(payer, 0n));
      expect(await store.exposureOf(payer, token)).to.deep.equal({ outstanding: 0n, lost: 10n });
      const totals = (await store.lossTotals()).map(({ role, recipient, amount }) => `${role} ${recipient} ${amount}`);
      expect(totals).to.have.members([
        "node the node's payout 8",
        "verifiers the verifiers 1",
        "treasury the node's payout 1",
      ]);
      expect(await store.lossCounts()).to.deep.equal([{ reason: "nonce_burned", count: 1 }]);
    });

    it("cost the payer its credit for good, pruned or not", async () => {
      const payer = somebody();
      await claim(payer, 0n);
      await release(payer, 0n);
      await lose(payer, 0n);
      await store.recordEnding(claimOf(payer, 0n).taskId, "refunded");
      expect(await outcomeOf(payer, 1n, { cap: 100n })).to.equal("overexposed");
      expect(await outcomeOf(payer, 1n, { cap: 100n }, { unlocked: false })).to.equal("claimed");
      await store.pruneTasks(deadline + 1);
      expect(await store.findTask(claimOf(payer, 0n).taskId)).to.equal(undefined);
      expect(await outcomeOf(payer, 2n, { cap: 100n })).to.equal("overexposed");
    });
  });

  describe("that are old", () => {
    const signed = (name: string) => (nonce: number) => Promise.resolve({ hash: id(`${name} ${nonce}`), raw: "0x01" });
    const capture = { signer: "0xsigner", purpose: "capture" as const, minedNonces: 0 };

    it("go with their task once that has ended, and not before", async () => {
      const payer = somebody();
      for (const nonce of [0n, 1n]) {
        await claim(payer, nonce);
        await release(payer, nonce);
      }
      await store.recordExpiry(claimOf(payer, 0n).taskId);
      await store.recordEnding(claimOf(payer, 0n).taskId, "refunded");
      await store.pruneTasks(deadline);
      expect(await store.findTask(claimOf(payer, 0n).taskId)).not.to.equal(undefined);
      await store.pruneTasks(deadline + 1);
      expect(await store.findTask(claimOf(payer, 0n).taskId)).to.equal(undefined);
      expect(await store.holdingOf(payer, 0n, null)).to.equal(undefined);
      expect((await store.findTask(claimOf(payer, 1n).taskId))?.state).to.equal("released");
      expect(await store.exposureOf(payer, token)).to.deep.equal({ outstanding: 10n, lost: 0n });
    });

    it("stay while a transaction of theirs is on its way", async () => {
      const payer = somebody();
      const { taskId } = claimOf(payer, 0n);
      await claim(payer, 0n);
      await release(payer, 0n);
      const result = { taskId, response: id("response"), payout: payer, amount: 5n, completedAt: 1 };
      await store.recordCertificate({ result, nodeSignature: "0x03" }, []);
      const { hash } = await store.recordTransaction({ ...capture, subject: taskId }, signed(payer));
      await lose(payer, 0n);
      await store.recordEnding(taskId, "refunded");
      await store.pruneTasks(deadline + 1);
      expect((await store.findTask(taskId))?.transactions).to.have.length(1);
      await store.recordInclusion(hash, { status: "reverted", blockNumber: 7, blockHash: "0xb", gasUsed: 1n });
      await store.pruneTasks(deadline + 1);
      expect(await store.findTask(taskId)).to.equal(undefined);
    });

    it("capture nothing that counts as lost", async () => {
      const payer = somebody();
      const { taskId } = claimOf(payer, 0n);
      await claim(payer, 0n);
      await release(payer, 0n);
      await lose(payer, 0n);
      const refusal = await store
        .recordTransaction({ ...capture, subject: taskId }, signed(`${payer} late`))
        .catch((error: unknown) => error);
      expect(refusal).to.include({ code: "internal" });
    });
  });
});
