import type { Context, Hono } from "hono";
import { OpgError } from "#protocol/errors.ts";
import { bytes32 } from "#protocol/hex.ts";
import { certificateJson, refusalJson } from "#protocol/messages.ts";
import { PREFUNDED_SCHEME } from "#protocol/prefunded.ts";
import { createApp, readBody } from "#service/httpApp.ts";
import { acceptCertificate } from "./acceptCertificate.ts";
import { BatchProofs } from "./batches/batchProofs.ts";
import { addPartyReceiptsRoute } from "./batches/partyReceiptsRoute.ts";
import { acceptPayment } from "./acceptPayment.ts";
import { acceptRefusal } from "./acceptRefusal.ts";
import { addMerchantRoutes } from "./merchant/addMerchantRoutes.ts";
import { requirePassed } from "./checks/check.ts";
import { checkEnvelope } from "./checks/checkEnvelope.ts";
import type { TaskPayment } from "./checks/payment.ts";
import type { ActingDependencies } from "./dependencies.ts";
import { addBacklogMetrics } from "./backlogMetrics.ts";
import { addExposureMetrics } from "./exposureMetrics.ts";
import { joinCalls } from "./joinCalls.ts";
import { acceptPrefunded } from "./prefunded/acceptPrefunded.ts";
import { addAccountMetrics } from "./prefunded/accountMetrics.ts";
import { readPrefundedPayment } from "./prefunded/prefundedPayment.ts";
import { envelopeOf, paymentBodyJson, readPayment } from "./readPayment.ts";
import { addSettlementStatusRoutes } from "./settlementStatusRoutes.ts";
import { taskRecord } from "./taskRecord.ts";

/** A hundred verdicts with reasons fit into it. */
const MAX_BODY_BYTES = 256 * 1024;

/** The facilitator's routes, as `messages.ts` lists them. */
export function createFacilitatorApp(dependencies: ActingDependencies): Hono {
  const { terms, store, operations, logger } = dependencies;
  const app = createApp(logger, MAX_BODY_BYTES, operations);
  addExposureMetrics(operations.registry, store, terms.exposureCap);
  addBacklogMetrics(operations.registry, store);
  addAccountMetrics(operations.registry, dependencies);
  const accept = joinCalls(sameness, (payment: TaskPayment) => acceptPayment(dependencies, payment));

  app.get("/info", (context) => context.json({ facilitator: terms.facilitator }));

  app.post("/tasks", async (context) => {
    const body = await readBody(context, paymentBodyJson);
    requirePassed(checkEnvelope(envelopeOf(body), terms));
    if (body.paymentRequirements.scheme === PREFUNDED_SCHEME) {
      const payment = readPrefundedPayment(body, dependencies.callDigests);
      return context.json(await acceptPrefunded(dependencies, payment));
    }
    return context.json(await accept(readPayment(body, terms.chainId)));
  });

  app.get("/tasks/:taskId", async (context) => {
    const taskId = taskIdIn(context);
    const stored = await store.findTask(taskId);
    if (!stored) throw unknownTask(taskId);
    return context.json(taskRecord(stored, terms.facilitator));
  });

  const proofs = new BatchProofs(store);
  app.get("/tasks/:taskId/proof", async (context) => context.json(await proofs.proofOf(taskIdIn(context))));

  addPartyReceiptsRoute(app, dependencies);

  app.post("/tasks/:taskId/certificate", async (context) => {
    const taskId = taskIdIn(context);
    return context.json(await acceptCertificate(dependencies, taskId, await readBody(context, certificateJson)));
  });

  app.post("/tasks/:taskId/refusals", async (context) => {
    const taskId = taskIdIn(context);
    const stored = await acceptRefusal(dependencies, taskId, await readBody(context, refusalJson));
    return context.json(taskRecord(stored, terms.facilitator));
  });

  addMerchantRoutes(app, dependencies);
  addSettlementStatusRoutes(app, dependencies);
  return app;
}

/** Payments that differ in nothing but the node which a gateway proposes are the same. */
function sameness(payment: TaskPayment): string {
  const withoutNode = { ...payment, task: { ...payment.task, node: null } };
  return JSON.stringify(withoutNode, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

function taskIdIn(context: Context): string {
  const text = context.req.param("taskId") ?? "";
  const parsed = bytes32.safeParse(text);
  if (!parsed.success) throw unknownTask(text.slice(0, 66));
  return parsed.data;
}

function unknownTask(taskId: string): OpgError {
  return new OpgError("unknown_task", `Task ${taskId} is not known here; ask the facilitator that it was paid at.`, {
    taskId,
  });
}
