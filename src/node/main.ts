import { runDaemon } from "#service/runDaemon.ts";
import { startNode } from "./startNode.ts";

await runDaemon(startNode);
