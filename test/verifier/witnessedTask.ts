import type { WitnessedCertificate } from "#protocol/messages.ts";
import { resultJson } from "#protocol/result.ts";
import { joinSignatures, signedCommitmentJson, signedVerdictJson } from "#protocol/verdict.ts";
import type { VerifierFixture } from "./verifierFixture.ts";

export type TestVerifier = Awaited<ReturnType<VerifierFixture["start"]>>;

/** A certified result as the node would show it to every verifier. */
export interface WitnessedTask {
  taskId: string;
  certificate: WitnessedCertificate;
  /** The certificate as it is sent. */
  body: Record<string, unknown>;
}

/** Has verifiers commit to a new task and agree with its result; each `delays` its commitment by so many seconds. */
export async function certifyTask(
  fixture: VerifierFixture,
  verifiers: readonly TestVerifier[],
  delays: readonly number[] = [],
): Promise<WitnessedTask> {
  const { task, taskId, body } = await fixture.openRequest();
  const signed = await fixture.answer(task);
  const { now } = fixture.time;
  const commitments = [];
  const verdicts = [];
  for (const [index, { post }] of verifiers.entries()) {
    fixture.time.now = now + (delays[index] ?? 0);
    commitments.push(signedCommitmentJson.parse((await post("/tasks", body)).body));
    verdicts.push(signedVerdictJson.parse((await post(`/tasks/${taskId}/result`, signed)).body));
    fixture.time.now = now;
  }
  const result = resultJson.parse(signed.result);
  const certificate = { result, nodeSignature: signed.nodeSignature, verdicts, commitments };
  return { taskId, certificate, body: { ...signed, verdicts, commitments } };
}

/** Pays for a certified result of the first two verdicts' epoch. */
export async function settleTask(fixture: VerifierFixture, { certificate }: WitnessedTask): Promise<void> {
  const { result, nodeSignature, verdicts } = certificate;
  const task = fixture.taskOf(result.taskId);
  const epoch = BigInt(verdicts[0]?.epoch ?? 0);
  const signatures = joinSignatures(verdicts.map(({ verifier, signature }) => ({ signer: verifier, signature })));
  const settlement = fixture.settlement.connect(fixture.wallets.facilitator);
  await settlement.settle(task, result, nodeSignature, { epoch, mode: 0, signatures });
}
