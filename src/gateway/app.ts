import type { Hono } from "hono";
import { cors } from "hono/cors";
import { OpgError } from "#protocol/errors.ts";
import { createApp } from "#service/httpApp.ts";
import { requestIdHeader } from "#service/requestId.ts";
import type { Gateway } from "./gateway.ts";
import { addInferRoute } from "./inferRoute.ts";
import { addModelsRoutes } from "./modelsRoutes.ts";
import { addNodesRoutes } from "./nodesRoutes.ts";
import { openApi } from "./openApi.ts";
import { addTasksRoutes } from "./tasksRoutes.ts";

/** Every public path and the one method that it takes. */
const methods: Record<string, "GET" | "POST"> = {
  "/": "GET",
  "/health": "GET",
  "/metrics": "GET",
  "/network.json": "GET",
  "/openapi.json": "GET",
  "/ready": "GET",
  "/tasks/:taskId": "GET",
  "/v1/demand": "GET",
  "/v1/infer": "POST",
  "/v1/models": "GET",
  "/v1/models/:model": "GET",
  "/v1/nodes": "GET",
  "/v1/nodes/:address": "GET",
  "/v1/tasks/:taskId": "GET",
  "/v1/tasks/:taskId/proof": "GET",
};

/** The gateway's public HTTP interface. */
export function createGatewayApp(gateway: Gateway): Hono {
  // Of a refusal a web page is to see the reason, too.
  const fromAnyPage = cors({
    origin: "*",
    allowMethods: ["GET", "POST"],
    // x402's own clients send the last one with a payment, though it belongs into an answer.
    allowHeaders: ["content-type", "payment-signature", requestIdHeader, "access-control-expose-headers"],
    exposeHeaders: ["payment-required", "payment-response", requestIdHeader, "retry-after"],
  });
  const app = createApp(gateway.logger, gateway.settings.maxBodyBytes, gateway.operations, fromAnyPage);
  const document = openApi(gateway.network.gateway);
  app.get("/openapi.json", (context) => context.json(document));
  app.get("/network.json", (context) => context.json(gateway.network));
  addModelsRoutes(app, gateway);
  addNodesRoutes(app, gateway);
  addInferRoute(app, gateway);
  addTasksRoutes(app, gateway);
  for (const [path, method] of Object.entries(methods)) refuseOtherMethods(app, path, method);
  return app;
}

function refuseOtherMethods(app: Hono, path: string, allowed: "GET" | "POST"): void {
  app.all(path, (context) => {
    context.header("Allow", allowed);
    throw new OpgError("method_not_allowed", `This address takes ${allowed} only; send that.`, { allowed });
  });
}
