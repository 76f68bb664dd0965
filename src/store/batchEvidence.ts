import { type Kysely, sql } from "kysely";
import type { BatchCertificate, ShownReceipt } from "#protocol/batchMessages.ts";
import { resultJson } from "#protocol/result.ts";
import { signedReleaseJson, taskJson } from "#protocol/task.ts";
import { signedVerdictJson } from "#protocol/verdict.ts";
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
