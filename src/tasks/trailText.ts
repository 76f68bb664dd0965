import { formatUnits } from "ethers";
import { type Trail, trailProblems } from "#protocol/settlement.ts";

/** An amount in OPG with its exact atomic units, for people. */
export function opgText(amount: string | bigint): string {
  return `${formatUnits(amount, 18)} OPG`;
}

/** The story of a task in lines for a terminal: who paid, what ran, who checked, where every token went. */
export function trailText(trail: Trail): string {
  return [
    ...row("task", [trail.taskId, `state: ${trail.state}`]),
    ...row("paid by", [
      trail.payer,
      `at most ${opgText(trail.maxAmount)}, in fact ${opgText(trail.charge)}, ${opgText(trail.refund)} returned`,
    ]),
    ...row("released by", [`${trail.facilitator} (facilitator)`]),
    ...row("model", modelLines(trail)),
    ...row("run by", [
      `${trail.node.address} (enclave key)`,
      `operator ${trail.node.operator}, payout ${trail.node.payout}`,
    ]),
    ...row("request", [trail.request]),
    ...row("response", [trail.response ?? "none"]),
    ...row("checked by", verdictLines(trail)),
    ...row("money went", splitLines(trail)),
    ...row("transactions", transactionLines(trail)),
    ...row("adds up", sumLines(trail)),
  ].join("\n");
}

function row(title: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? title : "").padEnd(13)} ${line}`);
}

function modelLines({ model }: Trail): string[] {
  return [
    `${model.name}@${model.version}`,
    `version ${model.versionId}`,
    `sha256  ${model.digest}`,
    `walrus  ${walrusId(model.storageId)}`,
  ];
}

/** As Walrus writes its blob ids. */
function walrusId(storageId: string): string {
  return Buffer.from(storageId.slice(2), "hex").toString("base64url");
}

function verdictLines({ verdicts }: Trail): string[] {
  if (verdicts.length === 0) return ["nobody yet"];
  return verdicts.map(
    ({ verifier, agrees, reason }) => `${verifier} ${agrees ? "agrees" : `refuses: ${reason ?? "no reason given"}`}`,
  );
}

function splitLines({ splits, refund, payer }: Trail): string[] {
  const lines = splits.map(({ role, to, amount }) => `${opgText(amount)} to ${role} ${to}`);
  if (BigInt(refund) > 0n) lines.push(`${opgText(refund)} back to payer ${payer}`);
  return lines.length > 0 ? lines : ["nowhere yet: the ceiling is locked"];
}

function transactionLines({ transactions }: Trail): string[] {
  if (transactions.length === 0) return ["none"];
  return transactions.map(
    ({ purpose, hash, gasUsed, chainId }) => `${purpose.padEnd(7)} ${hash} (${gasUsed} gas, chain ${chainId})`,
  );
}

function sumLines(trail: Trail): string[] {
  const problems = trailProblems(trail);
  if (problems.length > 0) return problems.map((problem) => `NO: ${problem}`);
  if (trail.state !== "settled" && trail.state !== "refunded") return ["not yet: the task is under way"];
  return ["yes: splits = charge, and charge + refund = what was locked"];
}
