import type { Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { OpgError } from "#protocol/errors.ts";
import { askProof } from "./askProof.ts";
import { errorPage } from "./errorPage.ts";
import type { Gateway } from "./gateway.ts";
import { homePage } from "./homePage.ts";
import { listModels } from "./modelsRoutes.ts";
import { taskPage } from "./taskPage.ts";

/** `GET /v1/tasks/{taskId}` and `GET /v1/tasks/{taskId}/proof` for programs; `GET /tasks/{taskId}` and `GET /` for people. */
export function addTasksRoutes(app: Hono, gateway: Gateway): void {
  const { trails, network } = gateway;
  app.get("/v1/tasks/:taskId", async (context) => context.json(await trails.read(context.req.param("taskId"))));
  app.get("/v1/tasks/:taskId/proof", async (context) => {
    return context.json(await askProof(network, context.req.param("taskId")));
  });
  app.get("/tasks/:taskId", async (context) => {
    try {
      return await context.html(taskPage(await trails.read(context.req.param("taskId"))));
    } catch (error) {
      if (!(error instanceof OpgError)) throw error;
      return context.html(errorPage(error), error.status as ContentfulStatusCode);
    }
  });
  app.get("/", async (context) => {
    const [models, taskIds] = await Promise.all([listModels(gateway), trails.recent()]);
    return context.html(homePage(network, models, taskIds));
  });
}
