import { type Kysely, sql } from "kysely";
import type { BatchCertificate, ShownReceipt } from "#protocol/batchMessages.ts";
import { resultJson } from "#protocol/result.ts";
import { signedReleaseJson, taskJson } from "#protocol/task.ts";
import { signedVerdictJson } from "#protocol/verdict.ts";
import type { PartyReceipt } from "./facilitatorBatches.ts";
import type { FacilitatorSchema } from "./facilitatorSchema.ts";

type Db = Kysely<FacilitatorSchema>;

/** A batch's receipts as verifiers are shown them, in the order of their leaves. */
export async function findShownReceipts(db: Db, batchId: string): Promise<ShownReceipt[]> {
  const rows = await db
    .selectFrom("batchReceipts")
    .innerJoin("tasks", "tasks.taskId", "batchReceipts.taskId")
    .select(["batchReceipts.taskId", "batchReceipts.resultHash", "batchReceipts.salt", "tasks.signature"])
    .where("batchReceipts.batchId", "=", batchId)
    .orderBy("batchReceipts.leaf")
    .execute();
  return rows.map(({ signature, ...row }) => ({ ...row, signature: signature ?? "0x" }));
}

/** The receipts of a batch that a party pays or is paid by, in the order of their leaves. */
export async function findPartyReceipts(db: Db, batchId: string, party: string): Promise<PartyReceipt[]> {
  const rows = await db
    .selectFrom("batchReceipts")
    .innerJoin("tasks", "tasks.taskId", "batchReceipts.taskId")
    .select(["salt", "batchReceipts.taskId", "resultHash", "batchReceipts.payer", "payout", "amount"])
    .select([sql<string>`tasks.task ->> 'model'`.as("model"), sql<string>`tasks.task ->> 'node'`.as("node")])
    .where("batchId", "=", batchId)
    .where((where) => where.or([where("batchReceipts.payer", "=", party), where("payout", "=", party)]))
    .orderBy("leaf")
    .execute();
  return rows.map(({ model, node, ...receipt }) => ({ receipt, model, node }));
}

/** What convinces a verifier that did not see these tasks. */
export async function findCertificates(db: Db, taskIds: readonly string[]): Promise<Map<string, BatchCertificate>> {
  const tasks = await db
    .selectFrom("tasks")
    .select(["taskId", "task", "release", "result", "nodeSignature"])
    .where(sql<boolean>`task_id = any(${[...taskIds]})`)
    .where("result", "is not", null)
    .execute();
  const verdicts = await db
    .selectFrom("verdicts")
    .select(["taskId", "verdict"])
    .where(sql<boolean>`task_id = any(${[...taskIds]})`)
    .where("agrees", "=", true)
    .execute();
  const ofTask = Map.groupBy(verdicts, ({ taskId }) => taskId);
  return new Map(
    tasks.map(({ taskId, task, release, result, nodeSignature }) => [
      taskId,
      {
        task: taskJson.parse(task),
        release: signedReleaseJson.parse(release),
        result: resultJson.parse(result),
        nodeSignature: nodeSignature ?? "0x",
        verdicts: (ofTask.get(taskId) ?? []).map(({ verdict }) => signedVerdictJson.parse(verdict)),
      },
    ]),
  );
}
