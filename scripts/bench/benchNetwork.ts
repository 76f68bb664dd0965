import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id, JsonRpcProvider, NonceManager, Wallet } from "ethers";
import { OpgAdapter } from "#chain/opg.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { type LocalNetwork, startLocalNetwork } from "#scripts/network/localNetwork.ts";
import { freePorts } from "#scripts/network/places.ts";
import type { BenchPayer } from "./payments.ts";

/** A network for a benchmark, with payers who can pay. */
export interface BenchNetwork extends LocalNetwork {
  folder: string;
  payers: readonly BenchPayer[];
}

/** 1 OPG. */
export const FUNDS = 10n ** 18n;
/** Time between two blocks. */
export const BLOCK_SECONDS = 1;

/** Starts anvil, PostgreSQL and a deployed network in a folder of its own; `stop` removes it. */
export async function startBenchNetwork(payerCount: number, progress: (line: string) => void): Promise<BenchNetwork> {
  const folder = mkdtempSync(join(tmpdir(), "opg-bench-"));
  const options = { folder: join(folder, "network"), host: "127.0.0.1", blockTimeSeconds: BLOCK_SECONDS, progress };
  const network = await startLocalNetwork({ ...options, ports: await freePorts(0, 3) });
  const stop = async (): Promise<void> => {
    await network.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    progress(`${payerCount} payers`);
    return { ...network, folder, stop, payers: await fundPayers(network, payerCount) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Everybody gets OPG and has approved Permit2, in two blocks. */
async function fundPayers({ network }: LocalNetwork, count: number): Promise<BenchPayer[]> {
  const options = { staticNetwork: true, cacheTimeout: -1, pollingInterval: 100 };
  const provider = new JsonRpcProvider(network.rpcUrl, network.chainId, options);
  const payers = Array.from({ length: count }, (_, index) => new Wallet(id(`bench payer ${index}`), provider));
  const faucet = new NonceManager(new Wallet(localAccount("faucet").privateKey, provider));
  const opg = new OpgAdapter(network.contracts.opg, provider);
  const gas = { gasLimit: 100_000n };
  try {
    const sent = [];
    for (const { address } of payers) {
      await provider.send("anvil_setBalance", [address, "0xde0b6b3a7640000"]);
      sent.push(await faucet.sendTransaction({ ...opg.populateTransfer(address, FUNDS), ...gas }));
    }
    for (const payer of payers) sent.push(await payer.sendTransaction({ ...opg.populateApprovePermit2(), ...gas }));
    await Promise.all(sent.map((transaction) => transaction.wait()));
  } finally {
    provider.destroy();
  }
  return payers.map(({ address, privateKey }) => ({ address, key: privateKey }));
}
