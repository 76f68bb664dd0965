import { sql, type Transaction } from "kysely";
import { OpgError } from "#protocol/errors.ts";
import { blockOfPayment, endClaim, type Loss } from "./facilitatorClaims.ts";
import type { PaymentAnswer } from "./facilitatorPayments.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

type Trx = Transaction<FacilitatorSchema>;

/** How a payment ended. */
export interface EndedPayment {
  digest: string;
  answer: PaymentAnswer;
  /** Seconds since 1970. */
  endedAt: number;
  loss: Loss | undefined;
}

/**
 * Writes how payments ended, each once; their nonces stay taken.
 *
 * @returns the answers that stand, in the order of the inputs
 * @throws OpgError `chain_unavailable` where a block was replaced before the end was written
 */
export async function endPayments(trx: Trx, ended: readonly EndedPayment[]): Promise<PaymentAnswer[]> {
  const takenBack = await findTakenBack(trx, ended);
  if (takenBack.size > 0) {
    throw new OpgError("chain_unavailable", "The block that held the settlement was replaced; ask again in a moment.");
  }
  const once = new Map(ended.toReversed().map((each) => [each.digest, each]));
  const ending = [...once.values()];
  const moved = await moveToEnd(trx, ending);
  await releaseNonces(
    trx,
    ending.filter(({ digest }) => moved.has(digest)),
  );
  const stored = await trx
    .selectFrom("payments")
    .select(["digest", "answer"])
    .where("digest", "in", digestsOf(ended))
    .execute();
  const standing = new Map(stored.map(({ digest, answer }) => [digest, answer as PaymentAnswer | null]));
  return ended.map(({ digest, answer }) => standing.get(digest) ?? answer);
}

/** In blocks that were replaced before the end was written: then there is none, and it is found out anew. */
async function findTakenBack(trx: Trx, ended: readonly EndedPayment[]): Promise<Set<string>> {
  const hashes = ended.map(({ answer }) => answer.transaction);
  const held = trx.selectFrom("transactions").select(["hash", "status"]).where("hash", "in", hashes);
  const transactions = await held.orderBy("hash").forShare().execute();
  return new Set(transactions.filter(({ status }) => status === "sent").map(({ hash }) => hash));
}

/** @returns digests of those that are at their end now, and were not before */
async function moveToEnd(trx: Trx, ended: readonly EndedPayment[]): Promise<Set<string>> {
  if (ended.length === 0) return new Set();
  const rows = ended.map(({ digest, answer, endedAt }) => {
    const state = answer.success ? "settled" : "failed";
    return sql`(${digest}::text, ${state}::text, ${JSON.stringify(answer)}::jsonb, ${endedAt}::bigint, ${answer.amount ?? null}::numeric)`;
  });
  const moved = await sql<{ digest: string }>`update payments p
    set state = v.state, answer = v.answer, ended_at = v.ended_at, amount = coalesce(v.amount, p.amount)
    from (values ${sql.join(rows)}) v (digest, state, answer, ended_at, amount)
    where p.digest = v.digest and p.state = 'settling'
    returning p.digest`.execute(trx);
  return new Set(moved.rows.map(({ digest }) => digest));
}

async function releaseNonces(trx: Trx, ended: readonly EndedPayment[]): Promise<void> {
  if (ended.length === 0) return;
  const released = trx.updateTable("claims").set({ exposed: false, sponsored: false, endedBlock: blockOfPayment });
  const claims = await released
    .where("holder", "in", digestsOf(ended))
    .returning(["holder", "payer", "nonce"])
    .execute();
  const lost = new Map(ended.map(({ digest, loss }) => [digest, loss]));
  for (const { holder, payer, nonce } of claims) {
    const loss = lost.get(holder);
    if (loss) await endClaim(trx, payer, nonce, "keep", loss);
  }
  // Before a reorganisation it may have counted as lost.
  const paid = digestsOf(ended.filter(({ answer }) => answer.success));
  if (paid.length > 0) await trx.deleteFrom("losses").where("holder", "in", paid).execute();
}

function digestsOf(ended: readonly EndedPayment[]): string[] {
  return ended.map(({ digest }) => digest);
}
