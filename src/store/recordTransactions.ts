import { sql, type Transaction } from "kysely";
import type { TaskState } from "#protocol/task.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";
import type { SignWithNonce, StoredTransaction, TransactionRequest } from "./facilitatorTransactions.ts";
import { illegalTransition } from "./taskTransitions.ts";

type Trx = Transaction<FacilitatorSchema>;

/** A transaction that is to be signed and kept. */
export interface UnsignedTransaction {
  request: TransactionRequest;
  sign: SignWithNonce;
}

/**
 * Allocates nonces, has all signed with them and keeps them, in one step. Where one for the same subject and purpose is on its
 * way or went through already, that one stands in its place.
 *
 * @returns in the order of the inputs
 */
export async function recordTransactions(
  trx: Trx,
  inputs: readonly UnsignedTransaction[],
): Promise<StoredTransaction[]> {
  const requests = inputs.map(({ request }) => request);
  const nonces = await lockNonces(trx, requests);
  const known = await findKnown(trx, requests);
  await requireStillWanted(
    trx,
    requests.filter((request) => !known.has(keyOf(request))),
  );
  const signed: Omit<StoredTransaction, "sentAt" | "final">[] = [];
  const newKeys = new Set<string>();
  for (const { request, sign } of inputs) {
    const key = keyOf(request);
    if (known.has(key) || newKeys.has(key)) continue;
    newKeys.add(key);
    const { signer, subject, purpose, minedNonces } = request;
    const nonce = Math.max(minedNonces, nonces.get(signer) ?? 0);
    nonces.set(signer, nonce + 1);
    const onItsWay = { status: "sent" as const, blockNumber: null, blockHash: null, gasUsed: null };
    signed.push({ signer, nonce, subject, purpose, ...onItsWay, ...(await sign(nonce)) });
  }
  for (const stored of await insert(trx, signed)) known.set(keyOf(stored), stored);
  return requests.map((request) => {
    const stored = known.get(keyOf(request));
    if (!stored) throw new Error("what was inserted is returned");
    return stored;
  });
}

type Keyed = Pick<TransactionRequest, "subject" | "purpose">;
const keyOf = ({ subject, purpose }: Keyed): string => `${purpose} ${subject}`;

/** Held until commit: another process that signs with the same keys waits here. @returns each signer's next nonce */
async function lockNonces(trx: Trx, requests: readonly TransactionRequest[]): Promise<Map<string, number>> {
  const signers = [...new Set(requests.map(({ signer }) => signer))].sort();
  for (const signer of signers) await sql`select pg_advisory_xact_lock(hashtextextended(${signer}, 0))`.execute(trx);
  const rows = await trx
    .selectFrom("transactions")
    .select(["signer", sql<number>`max(nonce)`.as("nonce")])
    .where("signer", "in", signers)
    .groupBy("signer")
    .execute();
  return new Map(rows.map(({ signer, nonce }) => [signer, nonce + 1]));
}

async function findKnown(trx: Trx, requests: readonly Keyed[]): Promise<Map<string, StoredTransaction>> {
  const rows = await trx
    .selectFrom("transactions")
    .selectAll()
    .where("subject", "in", [...new Set(requests.map(({ subject }) => subject))])
    .where("status", "in", ["sent", "included"])
    .execute();
  return new Map(rows.map((row) => [keyOf(row), row]));
}

/** From which states a transaction still has a sense: after a reorganisation a released task may have to be locked anew. */
const wantedIn: Partial<Record<TransactionRequest["purpose"], { states: readonly TaskState[]; next: TaskState }>> = {
  open: { states: ["claimed", "released", "certified"], next: "released" },
  capture: { states: ["certified"], next: "settled" },
};

/**
 * Somebody else may have decided on a task meanwhile: money locked for a rejected claim would have nobody to release it,
 * and what counts as lost is not collected any more.
 */
async function requireStillWanted(trx: Trx, requests: readonly TransactionRequest[]): Promise<void> {
  const subjects = requests.filter(({ purpose }) => wantedIn[purpose]).map(({ subject }) => subject);
  if (subjects.length === 0) return;
  const locked = trx.selectFrom("tasks").select(["taskId", "state"]).where("taskId", "in", subjects);
  const rows = await locked.orderBy("taskId").forUpdate().execute();
  const states = new Map(rows.map(({ taskId, state }) => [taskId, state]));
  for (const { subject, purpose } of requests) {
    const wanted = wantedIn[purpose];
    const state = states.get(subject);
    if (wanted && (state === undefined || !wanted.states.includes(state))) {
      throw illegalTransition(subject, state, wanted.next);
    }
  }
}

async function insert(
  trx: Trx,
  signed: readonly Omit<StoredTransaction, "sentAt" | "final">[],
): Promise<StoredTransaction[]> {
  if (signed.length === 0) return [];
  const stored = await trx
    .insertInto("transactions")
    .values([...signed])
    .returningAll()
    .execute();
  const attempts = signed.map(({ hash, signer, nonce, raw }) => ({ hash, signer, nonce, raw }));
  await trx.insertInto("attempts").values(attempts).execute();
  return stored;
}
