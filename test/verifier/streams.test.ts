import { expect } from "chai";
import { id } from "ethers";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { streamCharge } from "#protocol/meter.ts";
import { versionIdOf } from "#protocol/model.ts";
import { prefixAt, prefixesRoot } from "#protocol/prefixes.ts";
import { requestDigest } from "#protocol/request.ts";
import { responseDigest, resultHashOf, resultJson } from "#protocol/result.ts";
import type { Task } from "#protocol/task.ts";
import { tensorBytes, tensorsDigest, tensorsToJson } from "#protocol/tensors.ts";
import {
  commitmentOf,
  commitmentTypedData,
  opensCommitment,
  signedCommitmentJson,
  signedVerdictJson,
} from "#protocol/verdict.ts";
import { sign } from "#test/contracts/fixture.ts";
import { summed, summingInputs, summingModel } from "#test/execution/summingModel.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { verifierFixture, type VerifierFixture } from "./verifierFixture.ts";

const salt = id("salt");
const STEPS = 5;
const inputs = summingInputs(STEPS);

describe("a stream before a verifier", () => {
  let fixture: VerifierFixture;
  let verifiers: Awaited<ReturnType<VerifierFixture["start"]>>[];
  let model: string;

  before(async function () {
    this.timeout(120_000);
    fixture = await verifierFixture();
    const contentDigest = await new FolderBlobs(fixture.folder).put(summingModel);
    const version = { ...fixture.version, contentDigest };
    await fixture.modelRegistry.connect(fixture.wallets.deployer).publishVersion(version, "sums");
    model = versionIdOf(version);
    verifiers = [];
    for (const index of [0, 1, 2] as const) verifiers.push(await fixture.start(index, await emptyDatabase()));
  });
  after(() => fixture.stop());

  const responseAfter = (steps: number): string => responseDigest(salt, tensorsDigest(["scaled"], summed(steps)));
  const chargeAfter = (steps: number): bigint =>
    streamCharge(fixture.version.meter, tensorBytes(inputs), tensorBytes(summed(steps)), steps);

  /** A task that all verifiers have committed to. */
  async function commitAll() {
    const request = requestDigest(salt, model, tensorsDigest(["x", "sum", "scale"], inputs));
    const made = await fixture.makeRequest({ model, request });
    const body = { ...made.body, inputs: tensorsToJson(inputs) };
    const answers = await Promise.all(verifiers.map(({ post }) => post("/tasks", body)));
    return { ...made, commitments: answers.map((answer) => signedCommitmentJson.parse(answer.body)) };
  }

  /** The verdict of each verifier on a result that claims so many steps. */
  async function judgeAll(task: Task, taskId: string, steps: number, amount = chargeAfter(steps)) {
    const answer = await fixture.answer(task, { response: responseAfter(steps), amount });
    const verdicts = [];
    for (const { post } of verifiers) {
      verdicts.push(signedVerdictJson.parse((await post(`/tasks/${taskId}/result`, answer)).body));
    }
    return { answer, verdicts };
  }

  for (let steps = 0; steps <= STEPS; steps++) {
    it(`agrees with what there is after ${steps} of ${STEPS} steps, at its price, and opens that alone`, async () => {
      const { task, taskId, commitments } = await commitAll();
      const { verdicts } = await judgeAll(task, taskId, steps);
      verdicts.forEach((verdict, index) => {
        expect(verdict.agrees).to.equal(true);
        expect(verdict.opening).to.deep.include({ response: responseAfter(steps) });
        expect(verdict.opening.prefix?.steps).to.equal(steps);
        const { verifier, commitment } = commitments[index]!;
        expect(opensCommitment(verdict.opening, verifier, commitment)).to.equal(true);
      });
    });
  }

  it("takes nothing for no steps", () => {
    expect(chargeAfter(0)).to.equal(0n);
    expect(chargeAfter(1)).to.be.above(fixture.version.meter.base);
  });

  it("refuses the charge of another number of steps, too much as well as too little", async () => {
    for (const [steps, charged] of [
      [2, 3],
      [3, 2],
      [0, 1],
      [1, 0],
    ] as const) {
      const { task, taskId } = await commitAll();
      const { verdicts } = await judgeAll(task, taskId, steps, chargeAfter(charged));
      for (const verdict of verdicts) expect(verdict).to.include({ agrees: false, reason: "charge_mismatch" });
    }
  });

  it("refuses a response of none of the steps, and shows its own whole one", async () => {
    const { task, taskId, commitments } = await commitAll();
    const foreign = summingInputs(3)["x"]!;
    const response = responseDigest(salt, tensorsDigest(["scaled"], { scaled: foreign }));
    const answer = await fixture.answer(task, { response, amount: chargeAfter(3) });
    const answered = await verifiers[0]!.post(`/tasks/${taskId}/result`, answer);
    const verdict = signedVerdictJson.parse(answered.body);
    expect(verdict).to.include({ agrees: false, reason: "response_mismatch" });
    expect(verdict.opening.response).to.equal(responseAfter(STEPS));
    expect(opensCommitment(verdict.opening, verdict.verifier, commitments[0]!.commitment)).to.equal(true);
  });

  it("judges one prefix of a task and no other after it", async () => {
    const { task, taskId } = await commitAll();
    await judgeAll(task, taskId, 2);
    const longer = await fixture.answer(task, { response: responseAfter(3), amount: chargeAfter(3) });
    const answer = await verifiers[0]!.post(`/tasks/${taskId}/result`, longer);
    expect(answer.body).to.have.nested.property("error.code", "already_certified");
  });

  it("counts who had the response at the place where the others have it, and nobody who filled a tree with guesses", async () => {
    const { task, taskId, commitments } = await commitAll();
    const { answer, verdicts } = await judgeAll(task, taskId, 2);
    const resultHash = resultHashOf(resultJson.parse(answer.result), fixture.domainOf("settlement"));
    const guesses = Array.from({ length: 16 }, (_, at) => (at === 2 ? responseAfter(2) : id(`guess ${at}`)));
    const opening = { response: responseAfter(2), salt, prefix: prefixAt(guesses, 2) };
    const guesser = fixture.wallets.verifiers[2];
    const commitment = commitmentOf(prefixesRoot(guesses), guesser.address, salt);
    expect(opensCommitment(opening, guesser.address, commitment)).to.equal(true);
    const committed = { ...commitments[2]!, commitment };
    const signature = await sign(guesser, commitmentTypedData(committed, fixture.domainOf("settlement")));
    const shown = {
      ...answer,
      verdicts: verdicts.with(2, { ...verdicts[2]!, opening }),
      commitments: commitments.with(2, { ...committed, signature }),
    };
    const recorded = await verifiers[0]!.post(`/tasks/${taskId}/certificate`, shown);
    expect(recorded.body).to.deep.equal({ recorded: true });
    const counts = await verifiers[0]!.store.rightCommitmentCounts([resultHash]);
    expect(verifiers.map(({ address }) => counts.get(address) ?? 0)).to.deep.equal([1, 1, 0]);
  });
});
