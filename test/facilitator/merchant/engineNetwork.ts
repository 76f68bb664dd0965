import { setTimeout as sleep } from "node:timers/promises";
import { id, Wallet } from "ethers";
import { FacilitatorEntryAdapter } from "#chain/facilitatorEntry.ts";
import { startFacilitator } from "#facilitator/start.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { startChainProxy } from "#test/facilitator/chainProxy.ts";
import { merchantAt, type MerchantBody, startMerchantNetwork } from "./merchantNetwork.ts";

const GWEI = 10n ** 9n;
const PATIENCE_MS = 30_000;

/** A merchants' network whose facilitator asks the chain by way of a proxy. */
export async function startEngineNetwork() {
  const net = await startMerchantNetwork();
  const proxy = await startChainProxy(net.network.rpcUrl);
  const running: Daemon[] = [];
  const further = ["one", "two", "three"].map((name) => new Wallet(id(`further signer ${name}`), net.provider));
  for (const { address } of further) await net.provider.send("anvil_setBalance", [address, "0xde0b6b3a7640000"]);

  /** Another facilitator on a database of its name, with so many further signers. */
  const start = async (name: string, signers = 0, variables: Record<string, string> = {}) => {
    let store: FacilitatorStore | undefined;
    const keys = further.slice(0, signers).map(({ privateKey }) => privateKey);
    const environment = {
      ...(await net.environment(name)),
      OPG_RPC_URL: proxy.url,
      ...(signers > 0 ? { OPG_SIGNER_KEYS: keys.join(",") } : {}),
      ...variables,
    };
    const daemon = await startFacilitator(environment, {
      inclusionWaitSeconds: 20,
      openStore: async (url, logger) => (store = await openFacilitatorStore(url, logger)),
    });
    running.push(daemon);
    if (!store) throw new Error("a facilitator opens its store");
    return { daemon, store, server: merchantAt(daemon.url) };
  };
  const stop = async (daemon: Daemon): Promise<void> => {
    const [found] = running.splice(running.indexOf(daemon), 1);
    await found?.stop();
  };
  /** Waits until something holds. */
  const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
    const lastTry = Date.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (Date.now() > lastTry) throw new Error(`it did not come to pass in time: ${what}`);
      await sleep(50);
    }
  };
  const verified = async (server: ReturnType<typeof merchantAt>, body: MerchantBody): Promise<MerchantBody> => {
    const { isValid, invalidReason } = await server.verify(body);
    if (!isValid) throw new Error(`not valid: ${invalidReason}`);
    return body;
  };
  /** A payer's transfer of its money to somebody else, for a block of a reorganisation's. */
  const signEmptying = async (payer: Wallet, amount: bigint): Promise<string> => {
    const nonce = await net.provider.getTransactionCount(payer.address);
    const transfer = await net.opg.transfer.populateTransaction(net.node.address, amount);
    const fees = { maxFeePerGas: 900n * GWEI, maxPriorityFeePerGas: GWEI, gasLimit: 100_000n, type: 2 };
    return payer.signTransaction({ ...transfer, ...fees, nonce, chainId: net.network.chainId });
  };
  /** Asks until a block holds what the merchant is told. */
  const settledAgain = async (server: ReturnType<typeof merchantAt>, body: MerchantBody, amount: bigint) => {
    let answer = await server.settle(body, amount);
    await until("a block holds the settlement", async () => {
      answer = await server.settle(body, amount);
      return answer.success && (await net.provider.getTransactionReceipt(answer.transaction)) !== null;
    });
    return answer;
  };
  return {
    ...net,
    proxy,
    signEmptying,
    settledAgain,
    further,
    start,
    stop,
    until,
    verified,
    isSigner: (account: string) => new FacilitatorEntryAdapter(net.entry, net.provider).isSigner(account),
    /** Replaces the newest blocks; `transactions` stand in the first of the new ones. */
    reorg: (depth: number, transactions: readonly string[] = []) =>
      net.provider.send("anvil_reorg", [depth, transactions.map((raw) => [raw, 0])]),
    pool: async () => Number(((await net.provider.send("txpool_status", [])) as { pending: string }).pending),
    close: async (): Promise<void> => {
      await Promise.all(running.map((daemon) => daemon.stop()));
      await proxy.close();
      await net.close();
    },
  };
}

export type EngineNetwork = Awaited<ReturnType<typeof startEngineNetwork>>;
