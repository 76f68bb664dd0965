import { startNode } from "#node/startNode.ts";
import { runDaemon } from "#service/runDaemon.ts";
import { alteringExecutor } from "./alteringExecutor.ts";

/** A node like any other, but for an executor that alters what it computes. */
await runDaemon(async (environment) => startNode(environment, { executor: await alteringExecutor() }));
