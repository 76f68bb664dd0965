import { runDaemon } from "#service/runDaemon.ts";
import { startVerifier } from "./start.ts";

await runDaemon((environment) => startVerifier(environment));
