import { readFileSync } from "node:fs";
import { createExecutor } from "#execution/executor.ts";
import { runEnclave } from "#node/enclave/runEnclave.ts";
import { alteringExecutor } from "#scripts/demonstration/alteringExecutor.ts";
import { systemClock } from "#service/clock.ts";

/**
 * An enclave whose time is ahead by the seconds in the file OPG_TEST_LEAD_FILE, as the chain's is. With OPG_TEST_ALTERING it alters
 * what it computes.
 */
const leadFile = process.env["OPG_TEST_LEAD_FILE"] ?? "";
await runEnclave({
  clock: () => systemClock() + Number(readFileSync(leadFile, "utf8")),
  executor: process.env["OPG_TEST_ALTERING"] ? await alteringExecutor() : await createExecutor(),
});
