import type { Context, Hono } from "hono";
import type { z } from "zod";
import { admissionRequestJson } from "#protocol/admission.ts";
import { OpgError } from "#protocol/errors.ts";
import { batchRequestJson, earlierBatchJson } from "#protocol/batchMessages.ts";
import { bytes32, uint } from "#protocol/hex.ts";
import { challengeRequestJson, countsJson, type VerifierInfo, witnessedCertificateJson } from "#protocol/messages.ts";
import { signedResultJson } from "#protocol/result.ts";
import { sealedRequestJson } from "#protocol/sealedRequest.ts";
import { createApp, readBody } from "#service/httpApp.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import type { AdmissionDuty } from "./admissionDuty.ts";
import type { BatchDuty } from "./batches/batchDuty.ts";
import type { HistoryDuty } from "./batches/historyDuty.ts";
import type { CountsDuty } from "./countsDuty.ts";
import type { SealedRequests } from "./sealedRequests.ts";
import type { TaskDuty } from "./taskDuty.ts";
import type { VerdictDuty } from "./verdictDuty.ts";
import type { WitnessDuty } from "./witnessDuty.ts";

/** A request as large as a node takes it, a third larger by the base64 that it is sealed in. */
const MAX_BODY_BYTES = 88 * 1024 * 1024;

/** What the routes lead to. */
export interface VerifierDuties {
  verifier: string;
  sealed: SealedRequests;
  tasks: TaskDuty;
  verdicts: VerdictDuty;
  witness: WitnessDuty;
  counts: CountsDuty;
  batches: BatchDuty;
  history: HistoryDuty;
  admissions: AdmissionDuty;
  info: () => Promise<VerifierInfo>;
  operations: Operations;
  logger: Logger;
}

/** A verifier's HTTP interface; see the protocol's messages. */
export function createVerifierApp(duties: VerifierDuties): Hono {
  const { verifier, sealed, tasks, verdicts, witness, counts, admissions, info, operations, logger } = duties;
  const app = createApp(logger, MAX_BODY_BYTES, operations);
  app.get("/info", async (context) => context.json(await info()));
  app.get("/sealing-key", async (context) => context.json(await sealed.key()));
  app.post("/tasks", async (context) => {
    const request = await readBody(context, sealedRequestJson);
    const opened = await sealed.open(request);
    const commitment = await tasks.commit(opened).catch((error: unknown) => {
      throw withheld(error, request.taskId);
    });
    return context.json(commitment);
  });
  app.post("/tasks/:taskId/result", async (context) => {
    const taskId = readParameter(context, "taskId", bytes32);
    return context.json(await verdicts.judge(taskId, await readBody(context, signedResultJson)));
  });
  app.post("/tasks/:taskId/certificate", async (context) => {
    const taskId = readParameter(context, "taskId", bytes32);
    return context.json({ recorded: await witness.witness(taskId, await readBody(context, witnessedCertificateJson)) });
  });
  app.post("/epochs/:epoch/counts", async (context) => {
    const epoch = readParameter(context, "epoch", uint(64));
    const signature = await counts.sign({ epoch, ...(await readBody(context, countsJson)) });
    return context.json({ verifier, signature });
  });
  addBatchRoutes(app, duties);
  app.post("/admissions/challenges", async (context) => {
    const { node } = await readBody(context, challengeRequestJson);
    return context.json(admissions.challenge(node));
  });
  app.post("/admissions", async (context) => {
    return context.json(await admissions.admit(await readBody(context, admissionRequestJson)));
  });
  return app;
}

/**
 * What failed of a request that came sealed, without a word that may repeat what was in it: the answer is read, and logged, by the
 * host of the node, which is shown no input. The cause is for this verifier's own log.
 */
function withheld(cause: unknown, taskId: string): OpgError {
  const code = cause instanceof OpgError ? cause.code : "internal";
  const message = "This verifier could not repeat the task; the code says why, and the rest stays here.";
  return new OpgError(code, message, { taskId }, { cause });
}

function addBatchRoutes(app: Hono, { batches, history }: VerifierDuties): void {
  app.post("/batches", async (context) =>
    context.json(await batches.certify(await readBody(context, batchRequestJson))),
  );
  app.post("/batches/:batchId", async (context) => {
    const batchId = readParameter(context, "batchId", bytes32);
    await history.record(batchId, await readBody(context, earlierBatchJson));
    return context.json({ recorded: true });
  });
}

function readParameter<Schema extends z.ZodType>(context: Context, name: string, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(context.req.param(name));
  if (parsed.success) return parsed.data;
  throw new OpgError(
    "invalid_body",
    `"${name}" in the address is wrong: ${parsed.error.issues[0]?.message ?? "unreadable"}.`,
    { field: name },
  );
}
