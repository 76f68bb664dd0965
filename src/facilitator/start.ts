import type { Wallet } from "ethers";
import { z } from "zod";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { OpgError } from "#protocol/errors.ts";
import { caip2, type Network } from "#protocol/network.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { addSignerMetrics, observeRpc, watchChain } from "#service/chainMetrics.ts";
import {
  atomicUnits,
  daemonVariables,
  drainSeconds,
  limitVariables,
  privateKey,
  readConfig,
  retentionSeconds,
} from "#service/config.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import { createLogger, type Logger } from "#service/logger.ts";
import { daemonOperations, type Operations } from "#service/operations.ts";
import { repeat, type Repeated } from "#service/repeat.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { watchDatabase } from "#service/watchDatabase.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { createFacilitatorApp } from "./app.ts";
import type { PaymentTerms } from "./checks/payment.ts";
import type { ActingDependencies } from "./dependencies.ts";
import { finishTasks } from "./finishTasks.ts";
import { forgetEnded } from "./forgetEnded.ts";
import { finishPayments } from "./merchant/finishPayments.ts";
import { PaymentSettler } from "./merchant/paymentSettler.ts";
import { Outbox } from "./outbox.ts";
import { TaskCloser } from "./taskCloser.ts";
import { TaskOpener } from "./taskOpener.ts";

const FINISH_EVERY_SECONDS = 2;
/** 10 OPG. */
const DEFAULT_EXPOSURE_CAP = 10n * 10n ** 18n;
const FORGET_EVERY_SECONDS = 600;

const variables = {
  ...daemonVariables,
  ...limitVariables,
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, "must be a postgresql:// URL"),
  /** Signs releases, and pays the gas of the facilitator's transactions. */
  OPG_FACILITATOR_KEY: privateKey,
  /** What one payer may owe of a token without a lock, atomic units. */
  OPG_EXPOSURE_CAP: atomicUnits.default(DEFAULT_EXPOSURE_CAP),
  /** Ended tasks and payments are forgotten so long after their authorizations are over. */
  OPG_RETENTION_SECONDS: retentionSeconds,
  /** What requests that are cut off began is taken up at the next start. */
  OPG_DRAIN_SECONDS: drainSeconds.default(5),
};

/** What a test may put in place of the real thing. */
export interface FacilitatorOptions {
  clock?: Clock;
  openStore?: (url: string, logger: Logger) => Promise<FacilitatorStore>;
}

/**
 * Starts a facilitator: takes up what an earlier process left, then listens.
 *
 * @throws OpgError `configuration` or `chain_unavailable`
 */
export async function startFacilitator(
  environment: Readonly<Record<string, string | undefined>>,
  { clock = systemClock, openStore = openFacilitatorStore }: FacilitatorOptions = {},
): Promise<Daemon> {
  const config = readConfig(variables, environment);
  const wallet = config.OPG_FACILITATOR_KEY;
  const logger = createLogger("facilitator", config.OPG_LOG_LEVEL);
  const network = await loadNetwork(config.OPG_NETWORK);
  const operations = daemonOperations(logger, config);
  const observe = observeRpc(operations.registry, logger);
  const provider = await connectChain(config.OPG_RPC_URL ?? network.rpcUrl, network.chainId, observe);
  const escrow = new TaskEscrowAdapter(network.contracts.taskEscrow, provider);
  await requireRegistered(escrow, wallet.address);
  const store = await openStore(config.DATABASE_URL, logger);
  watchChain(operations, { provider, clock, maxBlockAgeSeconds: config.OPG_MAX_BLOCK_AGE_SECONDS });
  watchDatabase(operations, store.observed);
  addSignerMetrics(operations.registry, provider, [wallet.address]);
  const foundations = { network, provider, escrow, wallet, store, operations, clock, logger };
  const dependencies = connect(foundations, config.OPG_EXPOSURE_CAP);

  await dependencies.outbox.start();
  const duties = startDuties(dependencies, config.OPG_RETENTION_SECONDS);
  const server = await startHttpServer(createFacilitatorApp(dependencies), {
    host: config.OPG_HOST,
    port: config.OPG_PORT,
  });
  return {
    url: server.url,
    logger,
    stop: async () => {
      operations.readiness.drain();
      await server.close(config.OPG_DRAIN_SECONDS);
      await Promise.all(duties.map((duty) => duty.stop()));
      await dependencies.outbox.stop();
      await store.close();
      provider.destroy();
    },
  };
}

function startDuties(dependencies: ActingDependencies, retentionSeconds: number): Repeated[] {
  const { logger } = dependencies;
  const forget = () => forgetEnded(dependencies, retentionSeconds);
  return [
    repeat("finish tasks", FINISH_EVERY_SECONDS, () => finishTasks(dependencies), logger),
    repeat("finish payments", FINISH_EVERY_SECONDS, () => finishPayments(dependencies), logger),
    repeat("forget what ended", FORGET_EVERY_SECONDS, forget, logger),
  ];
}

interface Foundations {
  network: Network;
  provider: ChainProvider;
  escrow: TaskEscrowAdapter;
  wallet: Wallet;
  store: FacilitatorStore;
  operations: Operations;
  clock: Clock;
  logger: Logger;
}

function connect(foundations: Foundations, exposureCap: bigint): ActingDependencies {
  const { network, provider, wallet, store, logger } = foundations;
  const terms: PaymentTerms = {
    chainId: BigInt(network.chainId),
    network: caip2(network),
    taskEscrow: network.contracts.taskEscrow,
    token: network.contracts.opg,
    facilitator: wallet.address,
    entry: entryIn(network, wallet.address),
    maxTaskSeconds: network.parameters.maxTaskSeconds,
    settleWindowSeconds: network.parameters.settleWindowSeconds,
    exposureCap,
  };
  const dependencies = {
    ...foundations,
    terms,
    settlement: new SettlementAdapter(network.contracts.settlement, provider),
    verifierSet: new VerifierSetAdapter(network.contracts.verifierSet, provider),
    outbox: new Outbox({ provider, wallet, chainId: terms.chainId, store, logger }),
  };
  return {
    ...dependencies,
    opener: new TaskOpener(dependencies),
    closer: new TaskCloser(dependencies),
    settler: new PaymentSettler(dependencies),
  };
}

/** A release of a facilitator that governance does not know would be refused by every node, after the money is locked. */
async function requireRegistered(escrow: TaskEscrowAdapter, facilitator: string): Promise<void> {
  if (await escrow.isFacilitator(facilitator)) return;
  throw new OpgError(
    "configuration",
    `OPG_FACILITATOR_KEY is the key of ${facilitator}, which TaskEscrow ${escrow.address} does not know as a facilitator; have it registered or use another key.`,
    { facilitator },
  );
}

/** Payers of `upto` name the entry, so one that the network does not list would never be paid through. */
function entryIn({ facilitators }: Network, facilitator: string): string {
  const listed = facilitators.find(({ address }) => address === facilitator);
  if (listed) return listed.entry;
  throw new OpgError(
    "configuration",
    `OPG_FACILITATOR_KEY is the key of ${facilitator}, which OPG_NETWORK does not list as a facilitator; add it there with its entry.`,
    { facilitator },
  );
}
