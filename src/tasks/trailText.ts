import { formatUnits, MaxUint256 } from "ethers";
import { isFreeOfCharge, type Trail, trailProblems, wasLocked } from "#protocol/settlement.ts";

/** An amount in OPG with its exact atomic units, for people. */
export function opgText(amount: string | bigint): string {
  return `${formatUnits(amount, 18)} OPG`;
}

/** What Permit2 may move, for people; an allowance beyond all supply is without limit. */
export function allowanceText(amount: bigint): string {
  return amount >= MaxUint256 / 2n ? "any amount" : opgText(amount);
}

/** The story of a task in lines for a terminal: who paid, what ran, who checked, where every token went. */
export function trailText(trail: Trail): string {
  return [
    ...row("task", [trail.taskId, `state: ${trail.state}`]),
    ...row("paid by", [
      trail.payer,
      `at most ${opgText(trail.maxAmount)}, in fact ${opgText(trail.charge)}, ${fundingText(trail)}`,
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
    ...batchRows(trail),
    ...row("transactions", transactionLines(trail)),
    ...row("adds up", sumLines(trail)),
  ].join("\n");
}

function row(title: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? title : "").padEnd(13)} ${line}`);
}

function fundingText(trail: Trail): string {
  if (trail.account) return "out of the account";
  return wasLocked(trail) ? `${opgText(trail.refund)} returned` : "nothing was locked";
}

/** The way of a call that an account paid for into the transaction that settled it. */
function batchRows(trail: Trail): string[] {
  const { account } = trail;
  if (isFreeOfCharge(trail)) return row("batch", ["none: nothing was charged"]);
  if (!account?.batch) return [];
  const { batchId, receipts, leaf, path } = account.batch;
  return [
    ...row("batch", [batchId, `${receipts} calls in one transaction`]),
    ...row("leaf", [leaf]),
    ...row("path", path.length === 0 ? ["none: the leaf is the root"] : path),
  ];
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

function splitLines(trail: Trail): string[] {
  const { splits, refund, payer } = trail;
  const lines = splits.map(({ role, to, amount }) => `${opgText(amount)} to ${role} ${to}`);
  if (BigInt(refund) > 0n) lines.push(`${opgText(refund)} back to payer ${payer}`);
  if (lines.length > 0) return lines;
  if (wasLocked(trail)) return ["nowhere yet: the ceiling is locked"];
  if (trail.account && trail.state === "certified") return ["nowhere yet: the account owes it to the next batch"];
  return [trail.state === "refunded" || isFreeOfCharge(trail) ? "nowhere" : "nowhere yet"];
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
  return [`yes: splits = charge, and ${wasLocked(trail) ? "charge + refund = what was locked" : "no more was taken"}`];
}
