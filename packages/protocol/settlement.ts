import { z } from "zod";
import { taskStates } from "./task.ts";
import { refusalReasons } from "./verdict.ts";

/**
 * Why a transaction was sent: `approve` submits a payer's EIP-2612 permit for Permit2, `capture` settles a task that was
 * released without a lock, `batch` settles many that accounts pay for. Two belong to no task: `authorize` makes another account a signer of the facilitator's entry,
 * `clear` does nothing in place of a transaction that is not wanted any more.
 */
export const transactionPurposes = [
  "approve",
  "open",
  "capture",
  "settle",
  "refuse",
  "refund",
  "batch",
  "authorize",
  "clear",
] as const;

export type TransactionPurpose = (typeof transactionPurposes)[number];

/** Shares of a charge in basis points; the node gets what is left of 10,000. */
export interface FeePolicy {
  verifierBps: bigint;
  treasuryBps: bigint;
}

/** A charge divided; the three add up to it. */
export interface Split {
  node: bigint;
  verifiers: bigint;
  treasury: bigint;
}

const BPS = 10_000n;

/** The policy by which something was divided: shares are rounded down, so it is the next whole basis point up. */
export function policyOf({ node, verifiers, treasury }: Split): FeePolicy {
  const total = node + verifiers + treasury;
  if (total === 0n) return { verifierBps: 0n, treasuryBps: 0n };
  const bpsOf = (amount: bigint): bigint => (amount * BPS + total - 1n) / total;
  return { verifierBps: bpsOf(verifiers), treasuryBps: BPS - bpsOf(verifiers) - bpsOf(node) };
}

/** Divides a charge as `Settlement` does: node and verifiers rounded down, the remainder goes to the treasury. */
export function splitCharge(charge: bigint, { verifierBps, treasuryBps }: FeePolicy): Split {
  const node = (charge * (BPS - verifierBps - treasuryBps)) / BPS;
  const verifiers = (charge * verifierBps) / BPS;
  return { node, verifiers, treasury: charge - node - verifiers };
}

/**
 * Wire shape of the whole story of one task; stable, read by other tools. Amounts are decimal strings in atomic units,
 * `request` and `response` digests. The splits add up to `charge`; `charge` + `refund` is what was locked, where anything
 * was: a task without an `open` among its transactions was captured, and nothing had to be given back. Where an account pays,
 * `charge` is owed from the certificate on, and divided when the batch is settled.
 */
export const trailJson = z.strictObject({
  taskId: z.string(),
  payer: z.string(),
  facilitator: z.string(),
  maxAmount: z.string(),
  charge: z.string(),
  model: z.strictObject({
    name: z.string(),
    version: z.string(),
    versionId: z.string(),
    digest: z.string(),
    storageId: z.string(),
  }),
  request: z.string(),
  node: z.strictObject({ address: z.string(), operator: z.string(), payout: z.string() }),
  response: z.string().nullable(),
  /** Only for the payer's own client. */
  output: z.unknown().optional(),
  verdicts: z.array(
    z.strictObject({ verifier: z.string(), agrees: z.boolean(), reason: z.enum(refusalReasons).optional() }),
  ),
  splits: z.array(
    z.strictObject({ role: z.enum(["node", "verifiers", "treasury"]), to: z.string(), amount: z.string() }),
  ),
  refund: z.string(),
  /** Only of a task that a prefunded account pays for: its place in the batch that settled it. */
  account: z
    .strictObject({
      batch: z
        .strictObject({
          batchId: z.string(),
          /** How many receipts share the batch's transaction. */
          receipts: z.int(),
          leaf: z.string(),
          /** Siblings from the leaf up to the batch's root. */
          path: z.array(z.string()),
        })
        .nullable(),
    })
    .optional(),
  transactions: z.array(
    z.strictObject({
      purpose: z.enum(transactionPurposes),
      hash: z.string(),
      gasUsed: z.string(),
      chainId: z.int(),
    }),
  ),
  state: z.enum(taskStates),
});

/** {@link trailJson} as read. */
export type Trail = z.output<typeof trailJson>;

/**
 * What does not add up in a trail, one sentence fragment each; none for a trail that is right. A task under way has
 * moved nothing yet, so only its splits are compared.
 */
export function trailProblems(trail: Trail): string[] {
  const charge = BigInt(trail.charge);
  const split = trail.splits.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  const problems: string[] = [];
  const isOwed = trail.account !== undefined && trail.state === "certified" && split === 0n;
  if (split !== charge && !isOwed) problems.push(`the splits add up to ${split}, the charge is ${charge}`);
  if (wasLocked(trail)) {
    const returned = charge + BigInt(trail.refund);
    const isOver = trail.state === "settled" || trail.state === "refunded";
    if (isOver && returned !== BigInt(trail.maxAmount)) {
      problems.push(`charge and refund add up to ${returned}, locked were ${trail.maxAmount}`);
    }
    return problems;
  }
  if (trail.refund !== "0") problems.push(`${trail.refund} were refunded and nothing was locked`);
  if (charge > BigInt(trail.maxAmount)) problems.push(`the charge is ${charge}, allowed were ${trail.maxAmount}`);
  return problems;
}

/** Whether an account paid for it and it is over without a charge: no batch holds it. */
export function isFreeOfCharge({ account, state, charge }: Pick<Trail, "account" | "state" | "charge">): boolean {
  return account !== undefined && (state === "settled" || state === "refunded") && BigInt(charge) === 0n;
}

/** Whether the ceiling was locked before the node computed; else the charge alone was collected, afterwards. */
export function wasLocked({ transactions }: Pick<Trail, "transactions">): boolean {
  return transactions.some(({ purpose }) => purpose === "open");
}
