import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BaseWallet } from "ethers";
import { OpgAdapter } from "#chain/opg.ts";
import { type ChainProvider, connectChain } from "#chain/provider.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { submitCall } from "#chain/submitCall.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { type Client, createClient } from "#client/index.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import type { NetworkParameters } from "#deploy/parameters.ts";
import { lineImage } from "#execution/line/lineImage.ts";
import { OpgError } from "#protocol/errors.ts";
import { type VerifierInfo, verifierInfoJson } from "#protocol/messages.ts";
import type { Trail } from "#protocol/settlement.ts";
import type { NamedTensors, Tensor } from "#protocol/tensors.ts";
import type { DaemonName, DaemonSetting } from "#scripts/network/daemons.ts";
import { type LocalNetwork, startLocalNetwork } from "#scripts/network/localNetwork.ts";
import { freePorts } from "#scripts/network/places.ts";
import { awaitNodes, publishDemonstration, startAll } from "#scripts/network/readiness.ts";
import { awaitTrail } from "#tasks/awaitTrail.ts";
import { miningOn } from "#test/chain/mining.ts";
import { until } from "./chainControl.ts";

/** Short blocks, so that a journey does not wait for the chain; the machine's time stays the chain's time. */
const BLOCK_SECONDS = 0.25;
const PAYER_AMOUNT = 100n * 10n ** 18n;
const BEGINNING_COLUMNS = 96;
const FLOAT_BYTES = 4;

/** What differs from one journey to another. */
export interface JourneyOptions extends Pick<DaemonSetting, "env" | "programs"> {
  daemons?: readonly DaemonName[];
  parameters?: Partial<NetworkParameters>;
}

/** Processes of a network on a real chain. */
export interface Processes {
  local: LocalNetwork;
  provider: ChainProvider;
  opg: OpgAdapter;
  mining: ReturnType<typeof miningOn>;
  stop(): Promise<void>;
}

/** A whole network of real processes with a funded payer. */
export interface Journey extends Processes {
  taskEscrow: TaskEscrowAdapter;
  settlement: SettlementAdapter;
  verifierSet: VerifierSetAdapter;
  payer: BaseWallet;
  client: Client;
  versionId: string;
  /** The line of text that people read. */
  wholeLine: NamedTensors;
  /** Its beginning, which everybody else reads: it is run and checked, and travels, in a fraction of the time. */
  inputs: NamedTensors;
  /** The end of a task, settled or refunded. */
  ended(taskId: string): Promise<Trail>;
}

export const allDaemons = [
  "hub",
  "facilitator",
  "gateway",
  "verifier-1",
  "verifier-2",
  "verifier-3",
  "node-1",
  "node-2",
] as const;

/** As few as can answer and certify. */
export const leastDaemons = ["hub", "facilitator", "gateway", "verifier-1", "verifier-2", "node-1"] as const;

const quiet = (): void => undefined;

/** Brings chain, database, contracts and daemons up in a folder of their own. */
export async function startProcesses({ daemons = [], ...options }: JourneyOptions): Promise<Processes> {
  const folder = await mkdtemp(join(tmpdir(), "opg-journey-"));
  await chmod(folder, 0o755);
  const network = {
    folder,
    host: "127.0.0.1",
    ports: await freePorts(),
    blockTimeSeconds: BLOCK_SECONDS,
    progress: quiet,
  };
  const local = await startLocalNetwork({ ...network, ...options });
  try {
    await startAll(local, daemons);
    const { rpcUrl, chainId, contracts } = local.network;
    const provider = await connectChain(rpcUrl, chainId);
    const mining = miningOn(provider, BLOCK_SECONDS);
    const stop = async (): Promise<void> => {
      mining.endMining();
      provider.destroy();
      await local.stop();
      await rm(folder, { recursive: true, force: true });
    };
    return { local, provider, opg: new OpgAdapter(contracts.opg, provider), mining, stop };
  } catch (error) {
    await local.stop();
    throw error;
  }
}

/** Brings a network up and waits until its nodes run the demonstration model. */
export async function startJourney({ daemons = allDaemons, ...options }: JourneyOptions = {}): Promise<Journey> {
  const nodes = daemons.filter((name) => name.startsWith("node"));
  const processes = await startProcesses({ ...options, daemons: daemons.filter((name) => !nodes.includes(name)) });
  try {
    const { local } = processes;
    const [versionId] = await Promise.all([publishDemonstration(local), startAll(local, nodes)]);
    await awaitNodes(local, versionId, nodes.length);
    return await journeyOn(processes, versionId);
  } catch (error) {
    await processes.stop();
    throw error;
  }
}

async function journeyOn(processes: Processes, versionId: string): Promise<Journey> {
  const { local, provider, opg } = processes;
  const { contracts, gateway } = local.network;
  const payer = localAccount("payer").connect(provider);
  await submitCall(localAccount("faucet").connect(provider), opg.populateTransfer(payer.address, PAYER_AMOUNT));
  await submitCall(payer, opg.populateApprovePermit2());
  const client = createClient({ gateway, signer: payer, network: local.network });
  const picture = await readFile(new URL("../../examples/line/line.png", import.meta.url));
  const wholeLine = lineImage(picture);
  return {
    ...{ ...processes, payer, client, versionId },
    taskEscrow: new TaskEscrowAdapter(contracts.taskEscrow, provider),
    settlement: new SettlementAdapter(contracts.settlement, provider),
    verifierSet: new VerifierSetAdapter(contracts.verifierSet, provider),
    wholeLine: { x: wholeLine },
    inputs: { x: beginningOf(wholeLine) },
    ended: (taskId) => awaitTrail(() => client.trail(taskId), 60),
  };
}

function beginningOf({ dtype, shape, data }: Tensor): Tensor {
  const [lines = 0, channels = 0, height = 0, width = 0] = shape;
  const rows = Array.from({ length: lines * channels * height }, (_, row) =>
    data.subarray(row * width * FLOAT_BYTES, (row * width + BEGINNING_COLUMNS) * FLOAT_BYTES),
  );
  return { dtype, shape: [lines, channels, height, BEGINNING_COLUMNS], data: Uint8Array.from(Buffer.concat(rows)) };
}

/** The OpgError that a promise ends in. */
export async function refusalOf(promise: Promise<unknown>): Promise<OpgError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof OpgError) return error;
    throw error;
  }
  throw new Error("expected to be refused");
}

/** What a verifier says of itself. */
export async function verifierInfo({ local }: Pick<Processes, "local">, verifier: DaemonName): Promise<VerifierInfo> {
  const response = await fetch(`${local.daemons.get(verifier)?.url ?? ""}/info`);
  return verifierInfoJson.parse(await response.json());
}

/** Pays once more and waits for a verifier to agree: it may be slow after its start, but it takes part. */
export async function agreesAgain(journey: Journey, verifier: DaemonName): Promise<void> {
  const { client, versionId, inputs } = journey;
  const { agreed } = await verifierInfo(journey, verifier);
  await client.infer({ model: versionId, inputs });
  await until(async () => (await verifierInfo(journey, verifier)).agreed > agreed);
}
