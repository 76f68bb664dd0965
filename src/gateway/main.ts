import { runDaemon } from "#service/runDaemon.ts";
import { startGateway } from "./start.ts";

await runDaemon(startGateway);
