import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startNode } from "#node/startNode.ts";
import { systemClock } from "#service/clock.ts";
import { runDaemon } from "#service/runDaemon.ts";

const program = fileURLToPath(new URL("./recordedEnclave.ts", import.meta.url));

/** A node's host like any other, but that its enclave is recorded and its time is the test's chain's. */
await runDaemon((environment) => {
  const { OPG_TEST_RECORD = "", OPG_TEST_LEAD_FILE = "" } = environment;
  const clock = () => systemClock() + Number(readFileSync(OPG_TEST_LEAD_FILE, "utf8"));
  return startNode(environment, { clock, enclave: { program, environment: { OPG_TEST_RECORD, OPG_TEST_LEAD_FILE } } });
});
