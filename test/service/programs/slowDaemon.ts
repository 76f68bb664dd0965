import { setTimeout as sleep } from "node:timers/promises";
import { createApp } from "#service/httpApp.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { Operations } from "#service/operations.ts";
import { runDaemon } from "#service/runDaemon.ts";

/** A daemon whose requests take as many milliseconds as their path says, and that says when its store closes. */
await runDaemon(async (environment) => {
  const logger = createLogger("slow", "info");
  const operations = new Operations();
  const app = createApp(logger, undefined, operations);
  app.get("/slow/:milliseconds", async (context) => {
    await sleep(Number(context.req.param("milliseconds")));
    logger.info("slow request done");
    return context.json({ done: true });
  });
  const server = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
  const stop = async (): Promise<void> => {
    operations.readiness.drain();
    await server.close(Number(environment["OPG_DRAIN_SECONDS"]));
    logger.info("store closed");
  };
  return { url: server.url, logger, stop };
});
