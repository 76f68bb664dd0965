import { Hono } from "hono";
import type { NodeInfo } from "#protocol/messages.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import { addOperationsRoutes } from "#service/operationsRoutes.ts";
import type { Page, PagePath } from "./enclave/hostCalls.ts";
import type { RemoteEnclave } from "./remoteEnclave.ts";

/** Requests end in the enclave, which counts them. */
const countedInside = ["opg_http_request_duration_seconds", "opg_http_requests_in_flight"];

/** What the pages are made of. */
export interface NodePagesDependencies {
  info: () => Promise<NodeInfo>;
  /** Has metrics of its own. */
  enclave: Pick<RemoteEnclave, "metrics">;
  operations: Operations;
  logger: Logger;
}

/** Makes the pages about a node that its enclave asks for: `/health`, `/ready`, `/metrics`, `/info`. */
export function createNodePages(dependencies: NodePagesDependencies): (path: PagePath) => Promise<Page> {
  const { info, enclave, operations, logger } = dependencies;
  for (const name of countedInside) operations.registry.removeSingleMetric(name);
  const app = new Hono();
  addOperationsRoutes(app, operations, logger);
  app.get("/info", async (context) => context.json(await info()));
  return async (path) => {
    const response = await app.request(path);
    const contentType = response.headers.get("content-type") ?? "text/plain";
    const body = await response.text();
    const added = path === "/metrics" ? await enclave.metrics() : "";
    return { status: response.status, contentType, body: body + added };
  };
}
