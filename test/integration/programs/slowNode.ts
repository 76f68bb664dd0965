import { fileURLToPath } from "node:url";
import { startNode } from "#node/startNode.ts";
import { runDaemon } from "#service/runDaemon.ts";

const program = fileURLToPath(new URL("./slowEnclave.ts", import.meta.url));

/** A node whose enclave takes OPG_TEST_RUN_SECONDS longer for every run. */
await runDaemon((environment) => {
  const { OPG_TEST_RUN_SECONDS = "0" } = environment;
  return startNode(environment, { enclave: { program, environment: { OPG_TEST_RUN_SECONDS } } });
});
