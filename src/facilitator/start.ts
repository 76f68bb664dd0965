import type { Wallet } from "ethers";
import { z } from "zod";
import { ChainHead } from "#chain/chainHead.ts";
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
  privateKeys,
  readConfig,
  retentionSeconds,
  wholeNumber,
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
import { authorizeSigners } from "./authorizeSigners.ts";
import type { PaymentTerms } from "./checks/payment.ts";
import type { ActingDependencies } from "./dependencies.ts";
import { finishTasks } from "./finishTasks.ts";
import { forgetEnded } from "./forgetEnded.ts";
import { finishPayments } from "./merchant/finishPayments.ts";
import { PaymentSettler } from "./merchant/paymentSettler.ts";
import { Outbox } from "./outbox.ts";
import { addSignersMetrics, createOutboxCounters } from "./outboxMetrics.ts";
import { TaskCloser } from "./taskCloser.ts";
import { TaskOpener } from "./taskOpener.ts";

const FOLLOW_EVERY_SECONDS = 0.25;
const FINISH_EVERY_SECONDS = 2;
/** 10 OPG. */
const DEFAULT_EXPOSURE_CAP = 10n * 10n ** 18n;
const FORGET_EVERY_SECONDS = 600;
const AUTHORIZE_EVERY_SECONDS = 10;
/** Stock clients wait 90 seconds in all, and ask once more after a pending answer. */
const INCLUSION_WAIT_SECONDS = 25;

const variables = {
  ...daemonVariables,
  ...limitVariables,
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, "must be a postgresql:// URL"),
  /** Signs releases, owns the entry, and sends transactions. */
  OPG_FACILITATOR_KEY: privateKey,
  /** Further accounts that send transactions. */
  OPG_SIGNER_KEYS: privateKeys.default([]),
  /** Blocks, its own included, that a transaction must have to count. */
  OPG_CONFIRMATIONS: wholeNumber(1, 1_000).default(1),
  /** Blocks that it must have not to be watched any more. */
  OPG_REORG_BLOCKS: wholeNumber(1, 100).default(12),
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
  /** How long a merchant waits for a block before it is told that its settlement is pending. */
  inclusionWaitSeconds?: number;
}

/**
 * Starts a facilitator: takes up what an earlier process left, then listens.
 *
 * @throws OpgError `configuration` or `chain_unavailable`
 */
export async function startFacilitator(
  environment: Readonly<Record<string, string | undefined>>,
  options: FacilitatorOptions = {},
): Promise<Daemon> {
  const config = readConfig(variables, environment);
  const logger = createLogger("facilitator", config.OPG_LOG_LEVEL);
  const foundations = await layFoundations(config, logger, options);
  const { operations, store, provider } = foundations;
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
      dependencies.outbox.stop();
      await Promise.all(duties.map((duty) => duty.stop()));
      await store.close();
      provider.destroy();
    },
  };
}

function startDuties(dependencies: ActingDependencies, retentionSeconds: number): Repeated[] {
  const { logger } = dependencies;
  const forget = () => forgetEnded(dependencies, retentionSeconds);
  return [
    repeat("follow blocks", FOLLOW_EVERY_SECONDS, () => dependencies.head.advance(), logger),
    repeat("finish tasks", FINISH_EVERY_SECONDS, () => finishTasks(dependencies), logger),
    repeat("finish payments", FINISH_EVERY_SECONDS, () => finishPayments(dependencies), logger),
    repeat("authorize signers", AUTHORIZE_EVERY_SECONDS, () => authorizeSigners(dependencies), logger),
    repeat("forget what ended", FORGET_EVERY_SECONDS, forget, logger),
  ];
}

async function layFoundations(
  config: ReturnType<typeof readConfig<typeof variables>>,
  logger: Logger,
  {
    clock = systemClock,
    openStore = openFacilitatorStore,
    inclusionWaitSeconds = INCLUSION_WAIT_SECONDS,
  }: FacilitatorOptions,
): Promise<Foundations> {
  const wallet = config.OPG_FACILITATOR_KEY;
  const wallets = distinct([wallet, ...config.OPG_SIGNER_KEYS]);
  const network = await loadNetwork(config.OPG_NETWORK);
  const operations = daemonOperations(logger, config);
  const observe = observeRpc(operations.registry);
  const provider = await connectChain(config.OPG_RPC_URL ?? network.rpcUrl, network.chainId, observe);
  const escrow = new TaskEscrowAdapter(network.contracts.taskEscrow, provider);
  await requireRegistered(escrow, wallet.address);
  const head = new ChainHead(provider);
  await head.advance();
  const store = await openStore(config.DATABASE_URL, logger);
  watchChain(operations, { provider, clock, maxBlockAgeSeconds: config.OPG_MAX_BLOCK_AGE_SECONDS });
  watchDatabase(operations, store.observed);
  const addresses = wallets.map(({ address }) => address);
  addSignerMetrics(operations.registry, provider, addresses);
  const confirmations = config.OPG_CONFIRMATIONS;
  const depths = { confirmations, reorgBlocks: Math.max(config.OPG_REORG_BLOCKS, confirmations) };
  const watching = { head, depths, inclusionWaitSeconds };
  return { network, provider, escrow, wallet, wallets, store, operations, clock, logger, ...watching };
}

interface Foundations extends Pick<ActingDependencies, "head" | "depths" | "inclusionWaitSeconds"> {
  network: Network;
  provider: ChainProvider;
  escrow: TaskEscrowAdapter;
  wallet: Wallet;
  /** Those who send; `wallet` first. */
  wallets: readonly Wallet[];
  store: FacilitatorStore;
  operations: Operations;
  clock: Clock;
  logger: Logger;
}

function connect(foundations: Foundations, exposureCap: bigint): ActingDependencies {
  const { network, provider, wallet, operations } = foundations;
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
  const counters = createOutboxCounters(operations.registry);
  const outbox = new Outbox({ ...foundations, chainId: terms.chainId, counters });
  addSignersMetrics(operations.registry, outbox.signers);
  const dependencies = {
    ...foundations,
    terms,
    settlement: new SettlementAdapter(network.contracts.settlement, provider),
    verifierSet: new VerifierSetAdapter(network.contracts.verifierSet, provider),
    outbox,
  };
  return {
    ...dependencies,
    opener: new TaskOpener(dependencies),
    closer: new TaskCloser(dependencies),
    settler: new PaymentSettler(dependencies),
  };
}

/** One account under two names would give out each of its nonces twice. */
function distinct(wallets: readonly Wallet[]): readonly Wallet[] {
  const addresses = wallets.map(({ address }) => address);
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice === undefined) return wallets;
  throw new OpgError("configuration", `OPG_SIGNER_KEYS names ${twice} more than once; name further accounts only.`, {
    variable: "OPG_SIGNER_KEYS",
  });
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
