import type { Kysely, Transaction } from "kysely";
import { type Task, taskToJson } from "#protocol/task.ts";
import { claimNonce, type NonceClaim, type NonceOutcome } from "./facilitatorClaims.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import { lockPayers } from "./payerLocks.ts";

/** An authorization as it is claimed for a task. */
export interface Claim {
  taskId: string;
  task: Task;
  /** Digest that the payer signed. */
  paymentDigest: string;
  /** The payer's, in the bytes that came; empty in claims of before they were kept. */
  signature: string;
  /** Of a payment of scheme `upto`, seconds since 1970; `null` where the task itself was signed. */
  validAfter: bigint | null;
  /** Whether the task is released without a lock, to be captured later. */
  unlocked: boolean;
  /** The chain shows no end of the task before this block. */
  claimedBlock: number;
}

/** What a claim takes of the payer's, beside the nonce. */
export type ClaimTerms = Pick<NonceClaim, "token" | "sponsored" | "identifier" | "cap" | "funds">;

/** A use of a payer's nonce or identifier. */
export interface Holding {
  by: "nonce" | "identifier";
  /** A taskId or a payment digest. */
  holder: string;
  /** Of the task; absent where a merchant's payment has it. */
  paymentDigest?: string;
}

type Db = Kysely<FacilitatorSchema>;
type Trx = Transaction<FacilitatorSchema>;

/** Takes a payer's nonce for a task, and writes both down. */
export async function claimTask(trx: Trx, claim: Claim, terms: ClaimTerms): Promise<NonceOutcome> {
  const { taskId, task, paymentDigest, signature, validAfter, unlocked, claimedBlock } = claim;
  const { payer, nonce, maxAmount: amount, deadline } = task;
  const taken = { payer, nonce, amount, holder: taskId, exposed: unlocked, fundsBlock: claimedBlock };
  const prefunded = await findPrefunded(trx, payer, nonce);
  if (prefunded) return { outcome: "held", by: "nonce", holder: prefunded.taskId, identifier: null };
  const outcome = await claimNonce(trx, { ...terms, ...taken });
  if (outcome.outcome !== "claimed") return outcome;
  const row = {
    ...{ state: "claimed" as const, paymentDigest, signature, validAfter, unlocked, claimedBlock },
    ...{ taskId, payer, nonce, deadline: BigInt(deadline), task: JSON.stringify(taskToJson(task)), rejection: null },
  };
  // The nonce was free, so an earlier claim of the same task was rejected.
  await trx
    .insertInto("tasks")
    .values(row)
    .onConflict((conflict) => conflict.column("taskId").doUpdateSet(row))
    .execute();
  return outcome;
}

/** Such a task has the nonce, without a claim of Permit2's. */
async function findPrefunded(trx: Trx, payer: string, nonce: bigint): Promise<{ taskId: string } | undefined> {
  await lockPayers(trx, [payer]);
  const ofNonce = trx.selectFrom("tasks").select("taskId").where("payer", "=", payer).where("nonce", "=", nonce);
  return ofNonce.where("prefunded", "=", true).where("state", "!=", "rejected").executeTakeFirst();
}

/** What has a payer's nonce, or else the identifier. */
export async function findHolding(
  db: Db,
  payer: string,
  nonce: bigint,
  identifier: string | null,
): Promise<Holding | undefined> {
  const holdings = db
    .selectFrom("claims")
    .leftJoin("tasks", "tasks.taskId", "claims.holder")
    .select(["claims.holder", "tasks.paymentDigest"])
    .where("claims.payer", "=", payer);
  const byNonce = await holdings.where("claims.nonce", "=", nonce).executeTakeFirst();
  const row = byNonce ?? (await holdings.where("claims.identifier", "=", identifier).executeTakeFirst());
  if (!row) return undefined;
  const by = byNonce ? "nonce" : "identifier";
  return { by, holder: row.holder, ...(row.paymentDigest === null ? {} : { paymentDigest: row.paymentDigest }) };
}

/** Does something with the claim that a task has made. */
export async function withNonceOf(
  trx: Trx,
  taskId: string,
  change: (payer: string, nonce: bigint) => Promise<void>,
): Promise<void> {
  const holding = trx.selectFrom("claims").select(["payer", "nonce"]).where("holder", "=", taskId);
  const claim = await holding.executeTakeFirst();
  if (claim) await change(claim.payer, claim.nonce);
}
