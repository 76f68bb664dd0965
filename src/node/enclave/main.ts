import { runEnclave } from "./runEnclave.ts";

await runEnclave();
