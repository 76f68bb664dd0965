import type { Wallet } from "ethers";
import { AccountReaderAdapter } from "#chain/accountReader.ts";
import { AccountStates } from "#chain/accountStates.ts";
import { ChainHead } from "#chain/chainHead.ts";
import { PayerReaderAdapter } from "#chain/payerReader.ts";
import { PayerStates, type PayerStatesDependencies } from "#chain/payerStates.ts";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import { type Clock, systemClock } from "#service/clock.ts";
import { addSignerMetrics, observeRpc, watchChain } from "#service/chainMetrics.ts";
import { loadNetwork } from "#service/loadNetwork.ts";
import type { Logger } from "#service/logger.ts";
import { daemonOperations, type Operations } from "#service/operations.ts";
import { watchDatabase } from "#service/watchDatabase.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import type { ActingDependencies } from "./dependencies.ts";
import type { FacilitatorConfig } from "./variables.ts";

/** Stock clients wait 90 seconds in all, and ask once more after a pending answer. */
const INCLUSION_WAIT_SECONDS = 25;

/** What a test may put in place of the real thing. */
export interface FacilitatorOptions {
  clock?: Clock;
  openStore?: (url: string, logger: Logger) => Promise<FacilitatorStore>;
  /** How long a merchant waits for a block before it is told that its settlement is pending. */
  inclusionWaitSeconds?: number;
}

/**
 * Opens what a facilitator works on: chain, database, keys.
 *
 * @throws OpgError `configuration` or `chain_unavailable`
 */
export async function layFoundations(
  config: FacilitatorConfig,
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
  const observe = observeRpc(operations.registry, logger);
  const provider = await connectChain(config.OPG_RPC_URL ?? network.rpcUrl, network.chainId, observe);
  const escrow = new TaskEscrowAdapter(network.contracts.taskEscrow, provider);
  await requireRegistered(escrow, wallet.address);
  const head = new ChainHead(provider);
  await head.advance();
  const store = await openStore(config.DATABASE_URL, logger);
  watchChain(operations, { provider, clock, maxBlockAgeSeconds: config.OPG_MAX_BLOCK_AGE_SECONDS });
  watchDatabase(operations, store.observed);
  const age = { clock, maxBlockAgeSeconds: config.OPG_MAX_BLOCK_AGE_SECONDS };
  const followed = followPayers(network, provider, wallet.address, age);
  const addresses = wallets.map(({ address }) => address);
  addSignerMetrics(operations.registry, provider, addresses);
  const confirmations = config.OPG_CONFIRMATIONS;
  const depths = { confirmations, reorgBlocks: Math.max(config.OPG_REORG_BLOCKS, confirmations) };
  const watching = { head, depths, inclusionWaitSeconds };
  return { network, provider, ...followed, escrow, wallet, wallets, store, operations, clock, logger, ...watching };
}

/** What payers can pay with, by one look at the chain for both. */
function followPayers(
  { contracts }: Network,
  provider: ChainProvider,
  facilitator: string,
  age: Pick<PayerStatesDependencies, "clock" | "maxBlockAgeSeconds">,
): Pick<Foundations, "payers" | "accounts"> {
  const head = new ChainHead(provider);
  const { opg, payerReader, taskEscrow } = contracts;
  const reader = new PayerReaderAdapter(payerReader, provider);
  const accountReader = new AccountReaderAdapter(payerReader, taskEscrow, provider);
  return {
    payers: new PayerStates({ provider, token: opg, head, reader, ...age }),
    accounts: new AccountStates({
      head,
      read: (payers, block) => accountReader.read(facilitator, payers, block),
      ...age,
    }),
  };
}

/** What everything else of a facilitator is made from. */
export interface Foundations extends Pick<ActingDependencies, "head" | "depths" | "inclusionWaitSeconds"> {
  network: Network;
  provider: ChainProvider;
  payers: PayerStates;
  accounts: AccountStates;
  escrow: TaskEscrowAdapter;
  wallet: Wallet;
  /** Those who send; `wallet` first. */
  wallets: readonly Wallet[];
  store: FacilitatorStore;
  operations: Operations;
  clock: Clock;
  logger: Logger;
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
