import { startFacilitator } from "#facilitator/start.ts";
import { runDaemon } from "#service/runDaemon.ts";
import { openFacilitatorStore } from "#store/facilitatorStore.ts";
import { dyingStore, readDeath } from "./dyingStore.ts";

/** A facilitator that is killed right after one of its durable writes. */
await runDaemon((environment) =>
  startFacilitator(environment, {
    openStore: async (url, logger) => dyingStore(await openFacilitatorStore(url, logger), readDeath(environment)),
  }),
);
