import type { Network } from "#protocol/network.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import type { GatewayStore } from "#store/gatewayStore.ts";
import type { Demand } from "./demand.ts";
import type { ModelCatalog } from "./modelCatalog.ts";
import type { NodeDirectory } from "./nodeDirectory.ts";
import type { Trails } from "./trails.ts";

/** What the operator of a gateway may set. */
export interface GatewaySettings {
  taskSeconds: number;
  executionSeconds: number;
  verdictSeconds: number;
  releaseSeconds: number;
  /** How long an answer is given again to who paid for it. */
  answerSeconds: number;
  maxOutputBytes: number;
  maxBodyBytes: number;
}

/** Everything that the routes of a gateway work with. */
export interface Gateway {
  network: Network;
  settings: GatewaySettings;
  clock: Clock;
  /** Milliseconds of a clock that only goes forward; for durations. */
  monotonicMs: () => number;
  logger: Logger;
  /** Salts and nonces that a caller left out. */
  randomBytes: (length: number) => Uint8Array;
  /** Name and version of the token's EIP-712 domain. */
  token: { name: string; version: string };
  catalog: ModelCatalog;
  nodes: NodeDirectory;
  demand: Demand;
  store: GatewayStore;
  operations: Operations;
  trails: Trails;
}
