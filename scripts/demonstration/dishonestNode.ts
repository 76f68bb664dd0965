import { fileURLToPath } from "node:url";
import { startNode } from "#node/startNode.ts";
import { runDaemon } from "#service/runDaemon.ts";

const program = fileURLToPath(new URL("./dishonestEnclave.ts", import.meta.url));

/** A node like any other, but for an enclave that alters what it computes. */
await runDaemon((environment) => startNode(environment, { enclave: { program } }));
