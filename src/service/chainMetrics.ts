import type { Provider } from "ethers";
import { Counter, Histogram, type Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";
import type { Operations } from "./operations.ts";
import { addReadMetric } from "./readMetric.ts";

const RPC_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What a chain's provider tells of its calls. */
export interface RpcObserver {
  call(method: string, outcome: string, seconds: number): void;
  endpoint(position: number, outcome: string): void;
  missing(position: number): void;
}

/** Registers the metrics of calls to the chain. @returns what a chain's provider has to tell of each */
export function observeRpc(registry: Registry, logger: Logger): RpcObserver {
  const durations = new Histogram({
    name: "opg_rpc_duration_seconds",
    help: "Calls to the chain's JSON-RPC, all its endpoints together.",
    labelNames: ["method", "outcome"],
    buckets: RPC_SECONDS,
    registers: [registry],
  });
  const answers = new Counter({
    name: "opg_rpc_endpoint_answers_total",
    help: "What each of several endpoints answered, by its position in OPG_RPC_URL.",
    labelNames: ["endpoint", "outcome"],
    registers: [registry],
  });
  return {
    call: (method, outcome, seconds) => durations.observe({ method, outcome }, seconds),
    endpoint: (position, outcome) => answers.inc({ endpoint: position, outcome }),
    missing: (endpoint) =>
      logger.warn({ endpoint }, "an endpoint of OPG_RPC_URL does not answer; the others are enough"),
  };
}

/** Where the chain is read, and how old its newest block may be. */
export interface ChainWatch {
  provider: Pick<Provider, "getBlock">;
  clock: Clock;
  maxBlockAgeSeconds: number;
}

/** The chain is a dependency: it answers, and goes on. */
export function watchChain(
  { registry, readiness }: Operations,
  { provider, clock, maxBlockAgeSeconds }: ChainWatch,
): void {
  const age = async (): Promise<number> => {
    const block = await provider.getBlock("latest");
    if (!block) throw new Error("the chain shows no block");
    return clock() - block.timestamp;
  };
  readiness.require("chain", async () => {
    const seconds = await age();
    return seconds > maxBlockAgeSeconds ? `the newest block is ${seconds} s old` : undefined;
  });
  const described = { name: "opg_chain_block_age_seconds", help: "Age of the newest block by this process's clock." };
  addReadMetric(registry, described, async () => [{ value: await age() }]);
}

/** What a signer of transactions has left, and how much gas that buys now. */
export function addSignerMetrics(
  registry: Registry,
  provider: Pick<Provider, "getBalance" | "getFeeData">,
  signers: readonly string[],
): void {
  const labelNames = ["signer"] as const;
  const balance = { name: "opg_signer_balance_wei", help: "Ether of a signer of transactions.", labelNames };
  addReadMetric(registry, balance, () =>
    Promise.all(
      signers.map(async (signer) => ({ labels: { signer }, value: Number(await provider.getBalance(signer)) })),
    ),
  );
  const gas = { name: "opg_signer_gas_left", help: "Gas that a signer's ether pays for at today's price.", labelNames };
  addReadMetric(registry, gas, async () => {
    const { maxFeePerGas, gasPrice } = await provider.getFeeData();
    const price = maxFeePerGas ?? gasPrice;
    if (price === null || price === 0n) throw new Error("the chain names no price");
    return Promise.all(
      signers.map(async (signer) => ({
        labels: { signer },
        value: Number((await provider.getBalance(signer)) / price),
      })),
    );
  });
}
