import { setTimeout as sleep } from "node:timers/promises";
import { id, JsonRpcProvider, Wallet } from "ethers";
import pg from "pg";
import { FacilitatorEntryAdapter } from "#chain/facilitatorEntry.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { type DaemonProcess, startProcess } from "#scripts/network/startProcess.ts";
import { BLOCK_SECONDS, type BenchNetwork, startBenchNetwork } from "./benchNetwork.ts";
import { startCountingProxy } from "./countingProxy.ts";
import type { Figure } from "./figures.ts";
import { SettleMeasurement, type SettleScale } from "./settleMeasurement.ts";

/** The stock facilitator waits 180 seconds for a receipt. */
const PATIENCE_SECONDS = 300;

const scale: SettleScale = {
  ...{ payments: 1_000, payers: 50, connections: 48, signers: 4, patienceSeconds: PATIENCE_SECONDS },
};

/**
 * Settlements submitted all at once, by one signer and by several, beside the stock facilitator's.
 *
 * @throws Error where what is told, the database and the chain differ
 */
export async function measure(progress: (line: string) => void): Promise<Figure[]> {
  const stack = new AsyncDisposableStack();
  try {
    const network = await startBenchNetwork(scale.payers, progress);
    stack.defer(() => network.stop());
    const { rpcUrl, chainId } = network.network;
    const proxies = { ours: await startCountingProxy(rpcUrl), peer: await startCountingProxy(rpcUrl) };
    for (const proxy of Object.values(proxies)) stack.defer(() => proxy.stop());
    const provider = new JsonRpcProvider(rpcUrl, chainId, { staticNetwork: true, cacheTimeout: -1 });
    stack.defer(async () => provider.destroy());
    const database = new pg.Pool({ connectionString: await network.databaseUrl("facilitator"), max: 1 });
    stack.defer(() => database.end());
    const start = (signers: number) => startOurs(network, provider, proxies.ours.url, signers);
    const peer = await startStock(network, proxies.peer.url);
    stack.defer(() => peer.stop());
    return await new SettleMeasurement({ scale, network, provider, proxies, database, start, peer, progress }).run();
  } finally {
    await stack.disposeAsync();
  }
}

/** Starts our facilitator and waits until its entry takes calls of all its signers. */
async function startOurs(
  network: BenchNetwork,
  provider: JsonRpcProvider,
  rpcUrl: string,
  signers: number,
): Promise<DaemonProcess> {
  const further = Array.from({ length: signers - 1 }, (_, index) => new Wallet(id(`bench signer ${index}`)));
  for (const { address } of further) await provider.send("anvil_setBalance", [address, "0x8ac7230489e80000"]);
  const keys = further.map(({ privateKey }) => privateKey).join(",");
  const env = { OPG_RPC_URL: rpcUrl, ...(keys === "" ? {} : { OPG_SIGNER_KEYS: keys }) };
  const facilitator = await network.start("facilitator", { env });
  const entry = new FacilitatorEntryAdapter(network.network.facilitators[0]?.entry ?? "", provider);
  for (const { address } of further) while (!(await entry.isSigner(address))) await sleep(BLOCK_SECONDS * 100);
  // It has to see that block, too.
  await sleep(2 * BLOCK_SECONDS * 1000);
  return facilitator;
}

function startStock({ folder, network }: BenchNetwork, rpcUrl: string): Promise<DaemonProcess> {
  const key = localAccount("operator2").privateKey;
  const env = { OPG_RPC_URL: rpcUrl, OPG_CHAIN_ID: String(network.chainId), OPG_FACILITATOR_KEY: key };
  const program = "scripts/bench/stockFacilitator.ts";
  return startProcess({ name: "the stock facilitator", program, env, logFile: `${folder}/stock.log` });
}
