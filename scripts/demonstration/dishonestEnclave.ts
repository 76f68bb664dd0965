import { runEnclave } from "#node/enclave/runEnclave.ts";
import { alteringExecutor } from "./alteringExecutor.ts";

/** An enclave like any other, but for an executor that alters what it computes. */
await runEnclave({ executor: await alteringExecutor() });
