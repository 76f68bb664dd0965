import { expect } from "chai";
import { id, ZeroAddress } from "ethers";
import type { Insertable } from "kysely";
import { taskToJson } from "#protocol/task.ts";
import { createLogger } from "#service/logger.ts";
import { openDatabase } from "#store/openDatabase.ts";
import { verifierMigrations, type VerifierSchema } from "#store/verifierSchema.ts";
import {
  openVerifierStore,
  type StoredCommitment,
  type StoredVerdict,
  type VerifierStore,
} from "#store/verifierStore.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";

const silent = createLogger("test", "silent");
const now = 1_900_000_000;
const commitment: StoredCommitment = {
  taskId: id("task"),
  task: {
    payer: ZeroAddress,
    node: ZeroAddress,
    model: id("model"),
    request: id("request"),
    policy: 0,
    maxAmount: 2n ** 128n - 1n,
    deadline: 2 ** 40 - 1,
    nonce: 2n ** 256n - 1n,
  },
  facilitator: ZeroAddress,
  releasedAt: now,
  paymentDigest: id("payment"),
  answers: [
    { response: id("empty"), charge: 0n },
    { response: id("response"), charge: 2n ** 128n - 1n },
  ],
  salt: id("salt"),
  commitment: id("commitment"),
  committedAt: now + 1,
  signature: "0x1234",
};

function verdictOf(taskId: string, changes: Partial<StoredVerdict> = {}): StoredVerdict {
  const result = { taskId, response: id("response"), payout: ZeroAddress, amount: 2n ** 128n - 1n, completedAt: now };
  return { taskId, resultHash: id("result"), result, reason: null, expiresAt: now + 100, ...changes };
}

describe("VerifierStore", () => {
  let store: VerifierStore;
  let url: string;

  before(async function () {
    this.timeout(60_000);
    url = await emptyDatabase();
    store = await openVerifierStore(url, silent);
  });
  after(() => store.close());

  /** Another task's commitment, recorded. */
  async function commitTo(name: string): Promise<string> {
    const { taskId } = await store.recordCommitment({ ...commitment, taskId: id(name) });
    return taskId;
  }

  it("gives back what it was given, exactly, also when it is opened again", async () => {
    await store.recordCommitment(commitment);
    const verdict = verdictOf(commitment.taskId, { reason: "payout_mismatch" });
    await store.recordVerdict(verdict);
    const again = await openVerifierStore(url, silent);
    expect(await again.commitment(commitment.taskId)).to.deep.equal(commitment);
    expect(await again.verdict(commitment.taskId)).to.deep.equal(verdict);
    await again.close();
    expect(await store.commitment(id("nothing"))).to.equal(undefined);
    expect(await store.verdict(id("nothing"))).to.equal(undefined);
    expect(await store.signedCounts(7n)).to.equal(undefined);
  });

  it("keeps the one answer of each commitment that was made before there were streams", async () => {
    const early = await emptyDatabase();
    const first = Object.fromEntries(Object.entries(verifierMigrations).slice(0, 1));
    const { db, close } = await openDatabase<VerifierSchema>(early, first, silent);
    const { task, salt, signature } = commitment;
    const row = { taskId: commitment.taskId, task: JSON.stringify(taskToJson(task)), salt, signature, charge: 12n };
    const rest = { facilitator: ZeroAddress, releasedAt: 1n, committedAt: 2n, commitment: id("commitment") };
    const response = id("one");
    await db
      .insertInto("commitments")
      .values({ ...row, ...rest, response } as unknown as Insertable<VerifierSchema["commitments"]>)
      .execute();
    await close();
    const upgraded = await openVerifierStore(early, silent);
    const kept = await upgraded.commitment(commitment.taskId);
    expect(kept?.answers).to.deep.equal([{ response, charge: 12n }]);
    await upgraded.close();
  });

  it("lets the first of several records of a task stand, and says so to the others", async () => {
    const taskId = id("contended");
    const commitments = await Promise.all(
      ["a", "b", "c"].map((salt) => store.recordCommitment({ ...commitment, taskId, salt: id(salt) })),
    );
    expect(new Set(commitments.map(({ salt }) => salt)).size).to.equal(1);
    const verdicts = await Promise.all(
      ["a", "b", "c"].map((result) => store.recordVerdict(verdictOf(taskId, { resultHash: id(result) }))),
    );
    expect(new Set(verdicts.map(({ resultHash }) => resultHash)).size).to.equal(1);
  });

  it("lets the first division of an epoch stand", async () => {
    const first = { epoch: 3n, verifiers: [ZeroAddress], counts: [1] };
    expect(await store.recordSignedCounts(first)).to.deep.equal(first);
    expect(await store.recordSignedCounts({ ...first, counts: [2] })).to.deep.equal(first);
    expect(await store.signedCounts(3n)).to.deep.equal(first);
  });

  it("lists refusals that are not delivered and of use, the most urgent first", async () => {
    const [late, soon, delivered, over, agreed] = await Promise.all(["1", "2", "3", "4", "5"].map(commitTo));
    const refuse = (taskId: string | undefined, expiresAt: number) =>
      store.recordVerdict(verdictOf(taskId ?? "", { reason: "response_mismatch", expiresAt }));
    await refuse(late, now + 2_000);
    await refuse(soon, now + 1_001);
    await refuse(delivered, now + 3_000);
    await refuse(over, now + 1_000);
    await store.recordVerdict(verdictOf(agreed ?? "", { expiresAt: now + 3_000 }));
    await store.recordRefusalDelivery(delivered ?? "");
    const listed = await store.undeliveredRefusals(now + 1_000);
    expect(listed.map(({ taskId }) => taskId)).to.deep.equal([soon, late]);
  });

  it("counts verdicts of each kind", async () => {
    const before = await store.verdictCounts();
    await store.recordVerdict(verdictOf(await commitTo("agreed")));
    await store.recordVerdict(verdictOf(await commitTo("refused"), { reason: "completed_late" }));
    expect(await store.verdictCounts()).to.deep.equal({ agreed: before.agreed + 1, refused: before.refused + 1 });
  });

  it("counts each verifier once per result, and only over the results asked for", async () => {
    await store.recordRightCommitments(id("r1"), ["a", "b"]);
    await store.recordRightCommitments(id("r1"), ["b"]);
    await store.recordRightCommitments(id("r2"), ["a"]);
    await store.recordRightCommitments(id("r3"), []);
    expect([...(await store.rightCommitmentCounts([id("r1"), id("r2"), id("r3")]))].sort()).to.deep.equal([
      ["a", 2],
      ["b", 1],
    ]);
    expect([...(await store.rightCommitmentCounts([id("r2")]))]).to.deep.equal([["a", 1]]);
    expect((await store.rightCommitmentCounts([])).size).to.equal(0);
  });

  it("forgets tasks that were due before then, but no refusal that is still of use and nobody who was right", async () => {
    const deadline = now + 60;
    const commitDue = async (name: string, due = deadline): Promise<string> => {
      const task = { ...commitment.task, deadline: due };
      return (await store.recordCommitment({ ...commitment, taskId: id(name), task })).taskId;
    };
    const [agreed, undelivered, later] = [
      await commitDue("old"),
      await commitDue("owed"),
      await commitDue("later", deadline + 9),
    ];
    await store.recordVerdict(verdictOf(agreed));
    await store.recordVerdict(verdictOf(undelivered, { reason: "payout_mismatch", expiresAt: deadline + 5 }));
    await store.recordRightCommitments(id("an old result"), [ZeroAddress]);

    expect(await store.prune(deadline)).to.equal(0);
    expect(await store.prune(deadline + 1)).to.equal(1);
    expect(await store.commitment(agreed)).to.equal(undefined);
    expect(await store.verdict(agreed)).to.equal(undefined);
    expect((await store.verdict(undelivered))?.reason).to.equal("payout_mismatch");
    expect(await store.prune(deadline + 6)).to.equal(1);
    expect(await store.commitment(undelivered)).to.equal(undefined);
    expect((await store.commitment(later))?.taskId).to.equal(later);
    expect((await store.rightCommitmentCounts([id("an old result")])).get(ZeroAddress)).to.equal(1);
  });
});
