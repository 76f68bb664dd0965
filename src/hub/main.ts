import { runDaemon } from "#service/runDaemon.ts";
import { startHub } from "./startHub.ts";

await runDaemon(startHub);
