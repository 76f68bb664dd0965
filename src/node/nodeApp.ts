import type { Hono } from "hono";
import { type NodeInfo, releasedRequestJson } from "#protocol/messages.ts";
import { createApp, readBody } from "#service/httpApp.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import type { TaskDuty } from "./taskDuty.ts";

/** Inputs travel as base64 in JSON. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** What the routes work with. */
export interface NodeAppDependencies {
  tasks: Pick<TaskDuty, "answer">;
  info: () => NodeInfo;
  operations: Operations;
  logger: Logger;
}

/** Routes of a node: `POST /tasks`, `GET /info`. */
export function createNodeApp({ tasks, info, operations, logger }: NodeAppDependencies): Hono {
  const app = createApp(logger, MAX_BODY_BYTES, operations);
  app.post("/tasks", async (context) => {
    return context.json(await tasks.answer(await readBody(context, releasedRequestJson)));
  });
  app.get("/info", (context) => context.json(info()));
  return app;
}
