import { runDaemon } from "#service/runDaemon.ts";
import { startFacilitator } from "./start.ts";

await runDaemon(startFacilitator);
