import type { Hono } from "hono";
import { Registry } from "prom-client";

/** Makes a process's collection of metrics and serves it at `GET /metrics`, in Prometheus' text format. */
export function serveMetrics(app: Hono): Registry {
  const registry = new Registry();
  app.get("/metrics", async (context) =>
    context.text(await registry.metrics(), 200, { "Content-Type": registry.contentType }),
  );
  return registry;
}
