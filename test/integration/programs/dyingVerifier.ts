import pino from "pino";
import { runDaemon } from "#service/runDaemon.ts";
import { openVerifierStore } from "#store/verifierStore.ts";
import { startVerifier } from "#verifier/start.ts";
import { dyingStore, readDeath } from "./dyingStore.ts";

/** A verifier that is killed right after one of its durable writes. */
await runDaemon(async (environment) => {
  const store = await openVerifierStore(environment["DATABASE_URL"] ?? "", pino({ level: "silent" }));
  return startVerifier(environment, { store: dyingStore(store, readDeath(environment)) });
});
