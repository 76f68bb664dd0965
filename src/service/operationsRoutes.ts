import type { Hono } from "hono";
import type { Logger } from "./logger.ts";
import type { Operations } from "./operations.ts";

/**
 * `GET /health`: the process is alive. `GET /ready`: it can do its work, or 503 and what is missing. `GET /metrics`: its
 * metrics in Prometheus' text format. All answer while the process drains, and whatever the caller's rate.
 */
export function addOperationsRoutes(app: Hono, { readiness, registry }: Operations, logger: Logger): void {
  app.get("/health", (context) => context.json({ status: "ok" }));
  app.get("/ready", async (context) => {
    const answer = await readiness.ask(logger);
    return context.json(answer, answer.status === "ready" ? 200 : 503, { "Cache-Control": "no-store" });
  });
  // Whoever asks while numbers are being read gets the same ones: reading them costs more than most requests.
  let reading: Promise<string> | undefined;
  app.get("/metrics", async (context) => {
    reading ??= registry.metrics().finally(() => (reading = undefined));
    return context.text(await reading, 200, { "Content-Type": registry.contentType });
  });
}
