import { expect } from "chai";
import { id } from "ethers";
import { resultHashOf } from "#protocol/result.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { verifierFixture, type VerifierFixture } from "./verifierFixture.ts";
import { certifyTask, type TestVerifier, type WitnessedTask } from "./witnessedTask.ts";

describe("POST /tasks/{taskId}/certificate of a verifier", () => {
  let fixture: VerifierFixture;
  let verifiers: TestVerifier[];
  /** Takes part in no task, so that it knows what it is shown and nothing else. */
  let witness: TestVerifier;

  before(async function () {
    this.timeout(120_000);
    fixture = await verifierFixture();
    verifiers = [];
    for (const index of [0, 1, 2] as const) verifiers.push(await fixture.start(index, await emptyDatabase()));
    witness = await fixture.start(2, await emptyDatabase());
  });
  after(() => fixture.stop());

  async function show({ taskId, body }: WitnessedTask, changes: Record<string, unknown> = {}) {
    return witness.post(`/tasks/${taskId}/certificate`, { ...body, ...changes });
  }

  /** Addresses counted for a task, in the order of the verifiers. */
  async function counted({ certificate }: WitnessedTask): Promise<boolean[]> {
    const resultHash = resultHashOf(certificate.result, fixture.domainOf("settlement"));
    const counts = await witness.store.rightCommitmentCounts([resultHash]);
    return verifiers.map(({ address }) => counts.get(address) === 1);
  }

  it("counts everyone who committed in time and was right, once however often it is shown", async () => {
    const task = await certifyTask(fixture, verifiers);
    expect(await show(task)).to.deep.equal({ status: 200, body: { recorded: true } });
    await show(task);
    expect(await counted(task)).to.deep.equal([true, true, true]);
  });

  it("counts a commitment up to 30 seconds after the node was done, and no later one", async () => {
    const task = await certifyTask(fixture, verifiers, [0, 30, 31]);
    await show(task);
    expect(await counted(task)).to.deep.equal([true, true, false]);
  });

  it("does not count who shows no commitment, another's, or an opening that does not fit", async () => {
    const task = await certifyTask(fixture, verifiers);
    const [first, second, third] = task.certificate.verdicts;
    const [, theirs] = task.certificate.commitments;
    const unfitting = { ...third, opening: { response: third?.opening.response, salt: id("another salt") } };
    const copied = { ...theirs, verifier: first?.verifier };
    await show(task, {
      verdicts: [first, second, unfitting],
      commitments: [copied, ...task.certificate.commitments.slice(1)],
    });
    expect(await counted(task)).to.deep.equal([false, true, false]);
  });

  it("refuses fewer agreeing verdicts than the threshold, doubled or forged ones included", async () => {
    const task = await certifyTask(fixture, verifiers);
    const [first, second] = task.certificate.verdicts;
    const forged = { ...second, signature: first?.signature };
    const ofAnotherEpoch = { ...second, epoch: 2 };
    const cases = [[first], [first, first], [first, forged], [ofAnotherEpoch, first], [{ ...first, epoch: 0 }, second]];
    for (const verdicts of cases) {
      const answer = await show(task, { verdicts });
      expect(answer.body).to.have.nested.property("error.code", "certificate_incomplete");
    }
    expect(await counted(task)).to.deep.equal([false, false, false]);
  });

  it("refuses a certificate for another task than the address names", async () => {
    const [one, other] = [await certifyTask(fixture, verifiers), await certifyTask(fixture, verifiers)];
    const answer = await show({ ...one, taskId: other.taskId });
    expect(answer.body).to.have.nested.property("error.code", "invalid_body");
  });
});
