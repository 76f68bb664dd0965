import { setTimeout as sleep } from "node:timers/promises";
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import { UptoEvmScheme } from "@x402/evm";
import { x402Client } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";
import { localAccount } from "#deploy/localAccounts.ts";
import { caip2, type Network } from "#protocol/network.ts";
import { startProcess } from "#scripts/network/startProcess.ts";
import { type BenchNetwork, startBenchNetwork } from "./benchNetwork.ts";
import type { Figure } from "./figures.ts";

/** How much is measured. */
export interface StreamScale {
  /** Each side has one turn in each. */
  rounds: number;
  /** Streams of ours in a round, paid and unpaid in turns, each begun a little after the one before. */
  ours: number;
  /** Streams of the stock middleware in a round, one after the other: its facilitator loses settlements sent at once. */
  peer: number;
}

/** Waiting times for a first byte, milliseconds. */
interface Waits {
  free: number[];
  ours: number[];
  peer: number[];
}

const fullScale: StreamScale = { rounds: 5, ours: 40, peer: 4 };
const SPACING_MS = 250;
const TARGET_MS = 5;
const PATIENCE_SECONDS = 30;

/** First byte of a stream of a second: how much later it comes where it is paid for. */
export function measure(progress: (line: string) => void): Promise<Figure[]> {
  return measureStream(fullScale, progress);
}

/** @throws Error where a stream is not served, or one of ours is not settled */
export async function measureStream(scale: StreamScale, progress: (line: string) => void): Promise<Figure[]> {
  const stack = new AsyncDisposableStack();
  try {
    const network = await startBenchNetwork(1, progress);
    stack.defer(() => network.stop());
    const ours = await network.start("facilitator");
    const stock = await startStock(network);
    stack.defer(() => stock.stop());
    const merchant = await startMerchant(network, { ours: ours.url, stock: stock.url });
    stack.defer(() => merchant.stop());
    progress("warming up");
    const buyer = new Buyer(network.network, merchant.url, network.payers[0]?.key ?? "");
    await buyer.round({ rounds: 1, ours: 10, peer: 1 });
    const waits: Waits = { free: [], ours: [], peer: [] };
    for (let round = 1; round <= scale.rounds; round++) {
      progress(`round ${round} of ${scale.rounds}`);
      const { free, ours: paid, peer } = await buyer.round(scale);
      waits.free.push(...free);
      waits.ours.push(...paid);
      waits.peer.push(...peer);
    }
    await buyer.awaitSettled();
    return figuresOf(waits);
  } finally {
    await stack.disposeAsync();
  }
}

/** Buys streams, and measures how long their first byte takes. */
class Buyer {
  readonly #merchant: string;
  readonly #client: x402Client;
  #bought = 0;

  constructor(network: Network, merchant: string, key: string) {
    this.#merchant = merchant;
    const { rpcUrl, contracts } = network;
    const scheme = new UptoEvmScheme(privateKeyToAccount(key as `0x${string}`), { rpcUrl });
    this.#client = new x402Client()
      .register(caip2(network), scheme)
      .setSpendControls({ allowedAssets: [{ network: caip2(network), asset: contracts.opg }] });
  }

  async round({ ours, peer }: StreamScale): Promise<Waits> {
    const payments = await this.#sign("/ours", ours);
    const free: Promise<number>[] = [];
    const paid: Promise<number>[] = [];
    for (const payment of payments) {
      free.push(this.#firstByte("/free"));
      await sleep(SPACING_MS / 2);
      paid.push(this.#firstByte("/ours", payment));
      await sleep(SPACING_MS / 2);
    }
    const waits: Waits = { free: await Promise.all(free), ours: await Promise.all(paid), peer: [] };
    this.#bought += ours;
    for (const payment of await this.#sign("/stock", peer)) waits.peer.push(await this.#firstByte("/stock", payment));
    return waits;
  }

  /** Every stream of ours that was bought is paid in the end. */
  async awaitSettled(): Promise<void> {
    for (let waited = 0; waited < PATIENCE_SECONDS; waited++) {
      const ended = (await (await fetch(`${this.#merchant}/settled`)).json()) as { settled: number; failed: number };
      if (ended.failed > 0) throw new Error(`${ended.failed} streams were not paid`);
      if (ended.settled >= this.#bought) return;
      await sleep(1000);
    }
    throw new Error(`not all of ${this.#bought} streams were settled in ${PATIENCE_SECONDS} s`);
  }

  /** Headers PAYMENT-SIGNATURE, each good for one stream. */
  async #sign(path: string, count: number): Promise<string[]> {
    const response = await fetch(`${this.#merchant}${path}`);
    const required = decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
    const payments: string[] = [];
    while (payments.length < count) {
      payments.push(encodePaymentSignatureHeader(await this.#client.createPaymentPayload(required)));
    }
    return payments;
  }

  async #firstByte(path: string, payment?: string): Promise<number> {
    const started = performance.now();
    const headers: Record<string, string> = payment === undefined ? {} : { "payment-signature": payment };
    const response = await fetch(`${this.#merchant}${path}`, { headers });
    const reader = response.body?.getReader();
    const first = await reader?.read();
    const waited = performance.now() - started;
    if (response.status !== 200 || !first?.value) throw new Error(`${path} answered ${response.status}`);
    while (!(await reader?.read())?.done);
    return waited;
  }
}

function startStock({ folder, network }: BenchNetwork) {
  const key = localAccount("operator2").privateKey;
  const env = { OPG_RPC_URL: network.rpcUrl, OPG_CHAIN_ID: String(network.chainId), OPG_FACILITATOR_KEY: key };
  const program = "scripts/bench/stockFacilitator.ts";
  return startProcess({ name: "the stock facilitator", program, env, logFile: `${folder}/stock.log` });
}

function startMerchant({ folder, places }: BenchNetwork, { ours, stock }: { ours: string; stock: string }) {
  const payTo = localAccount("treasury").address;
  const env = { OPG_NETWORK: places.network, BENCH_OURS: ours, BENCH_STOCK: stock, BENCH_PAY_TO: payTo };
  const program = "scripts/bench/streamMerchant.ts";
  return startProcess({ name: "the merchant", program, env, logFile: `${folder}/merchant.log` });
}

function figuresOf({ free, ours, peer }: Waits): Figure[] {
  return [50, 99].map((percent) => ({
    figure: `first byte of a stream of 1 s, paid minus unpaid, p${percent}`,
    unit: "ms",
    ours: percentile(ours, percent) - percentile(free, percent),
    peer: percentile(peer, percent) - percentile(free, percent),
    target: TARGET_MS,
    better: "lower" as const,
  }));
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}
