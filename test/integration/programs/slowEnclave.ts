import { setTimeout as sleep } from "node:timers/promises";
import { createExecutor } from "#execution/executor.ts";
import { runEnclave } from "#node/enclave/runEnclave.ts";

/** An enclave that takes OPG_TEST_RUN_SECONDS longer for every run. */
const delayMs = Number(process.env["OPG_TEST_RUN_SECONDS"]) * 1000;
const executor = await createExecutor();
await runEnclave({
  executor: {
    close: () => executor.close(),
    run: async (model, inputs) => {
      await sleep(delayMs);
      return executor.run(model, inputs);
    },
  },
});
