import { setTimeout as sleep } from "node:timers/promises";
import { id, Wallet } from "ethers";
import { localAccount } from "#deploy/localAccounts.ts";
import type { DaemonProcess } from "#scripts/network/startProcess.ts";
import { BLOCK_SECONDS, type BenchNetwork } from "./benchNetwork.ts";
import type { CountingProxy } from "./countingProxy.ts";
import type { Figure } from "./figures.ts";
import type { LoadResult } from "./load.ts";
import type { LoadProcess, PaymentLoad } from "./loadProcess.ts";
import type { Nonces } from "./payments.ts";
import { machineSeconds, processorSeconds } from "./processorTime.ts";

/** How much is measured. */
export interface VerifyScale {
  payers: number;
  /** Both sides are measured in turns, so often. */
  rounds: number;
  /** Of each turn. */
  seconds: number;
  connections: number;
  /** Payments that are signed for each second, more than can be verified. */
  perSecond: Record<Side, number>;
}

/** Everything that takes part. */
export interface VerifyParts {
  scale: VerifyScale;
  network: BenchNetwork;
  /** In front of the chain. */
  proxies: Record<Side, CountingProxy>;
  /** The last one is a stock facilitator, too, behind the proxy. */
  facilitators: Record<Side | "counted", DaemonProcess>;
  load: LoadProcess;
  /** Claims that our database holds. */
  countClaims: () => Promise<number>;
  progress: (line: string) => void;
}

type Side = "ours" | "peer";

const FASTER = 20;
const P99_MILLISECONDS = 10;
/** Each payer's payments before the clock runs: from the second on a payer is followed. */
const WARM_UPS = 2;
/** More than they take. */
const WARM_UP_SECONDS = 60;
/** The stock facilitator remembers nothing, so a few are enough. */
const PEER_WARM_UPS = 50;

/** Figures of `/verify`: how many, how late, and what the chain is asked. */
export class VerifyMeasurement {
  readonly #parts: VerifyParts;
  #claimed = 0;
  #cores: Record<string, number> = {};

  constructor(parts: VerifyParts) {
    this.#parts = parts;
  }

  async run(): Promise<Figure[]> {
    const rates = await this.#inTurns("as fast as they answer", {}, ({ perSecond }) => perSecond);
    const halves = { ours: rates.ours / 2, peer: rates.peer / 2 };
    const late = await this.#inTurns("at half of that rate", halves, ({ p99Milliseconds }) => p99Milliseconds);
    const calls = await this.#countCalls("within words", halves.ours);
    const random = await this.#countCalls("random", halves.ours);
    const peerCalls = await this.#countPeerCalls();
    const claims = await this.#parts.countClaims();
    if (claims !== this.#claimed)
      throw new Error(`${this.#claimed} payments were claimed, the database holds ${claims}.`);
    const cores = Object.entries(this.#cores).map(([who, ours]) => row(`cores used by ${who}`, "cores", ours));
    return [
      {
        ...row("verified and claimed", "per second", rates.ours, rates.peer),
        target: FASTER,
        isRatio: true,
        better: "higher",
      },
      { ...row("p99 at half of that rate", "ms", late.ours, late.peer), target: P99_MILLISECONDS },
      { ...row("calls to the chain per verify", "calls", calls.perVerify, peerCalls), target: 0 },
      row("calls to the chain per verify with random nonces", "calls", random.perVerify, peerCalls),
      row("calls to the chain per block, whoever pays", "calls", calls.perBlock),
      ...cores,
    ];
  }

  /** The median of some rounds of both. */
  async #inTurns(how: string, rates: Partial<Record<Side, number>>, figureOf: (result: LoadResult) => number) {
    const { scale, progress } = this.#parts;
    const figures: Record<Side, number[]> = { ours: [], peer: [] };
    for (let round = 1; round <= scale.rounds; round++) {
      for (const side of ["ours", "peer"] as const) {
        const result = await this.#turn(side, rates[side]);
        figures[side].push(figureOf(result));
        const { perSecond, p99Milliseconds } = result;
        progress(`${how}, ${side} ${round}: ${perSecond.toFixed(0)} per second, p99 ${p99Milliseconds.toFixed(1)} ms`);
      }
    }
    return { ours: median(figures.ours), peer: median(figures.peer) };
  }

  /** Signs payments, and sends the first of them: what comes after is the steady state. */
  async #prepare(side: Side | "counted", nonces: Nonces, count: number): Promise<Omit<PaymentLoad, "count">> {
    const { scale, network, facilitators, load } = this.#parts;
    const isOurs = side === "ours";
    const terms = {
      ...{ chainId: network.network.chainId, token: network.network.contracts.opg, amount: "1000" },
      payTo: new Wallet(id("merchant")).address,
      facilitator: isOurs ? localAccount("facilitator").address : localAccount("operator2").address,
    };
    const { payers } = network;
    const warmUp = isOurs ? WARM_UPS * payers.length : PEER_WARM_UPS;
    await load.sign({ terms, payers, nonces, count: warmUp + count });
    const right = '{"isValid":true';
    const { seconds, connections } = scale;
    const target = { url: facilitators[side].url, path: "/verify", right, seconds, connections };
    const { right: warmed } = await load.send({ ...target, seconds: WARM_UP_SECONDS, count: warmUp });
    if (warmed !== warmUp)
      throw new Error(`Only ${warmed} of ${warmUp} payments were verified in ${WARM_UP_SECONDS} s.`);
    if (isOurs) this.#claimed += warmed;
    return target;
  }

  async #turn(side: Side, rate?: number): Promise<LoadResult> {
    const { scale, facilitators, load } = this.#parts;
    const count = Math.ceil(scale.seconds * (rate ?? scale.perSecond[side]));
    const target = await this.#prepare(side, "within words", count);
    const before = [processorSeconds(facilitators[side].pid), processorSeconds(load.pid), machineSeconds()];
    const result = await load.send({ ...target, count, ...(rate === undefined ? {} : { rate }) });
    const after = [processorSeconds(facilitators[side].pid), processorSeconds(load.pid), machineSeconds()];
    if (side !== "ours") return result;
    this.#claimed += result.right;
    if (rate !== undefined) return result;
    const [facilitator = 0, generator = 0, machine = 0] = after.map((end, index) => end - (before[index] ?? 0));
    const seconds = result.right / result.perSecond;
    this.#cores = {
      "our facilitator": facilitator / seconds,
      "the load generator": generator / seconds,
      "database, chain and everybody else": (machine - facilitator - generator) / seconds,
    };
    return result;
  }

  /** What our facilitator asks the chain under load, beyond what it asks without any. */
  async #countCalls(nonces: Nonces, rate: number): Promise<{ perVerify: number; perBlock: number }> {
    const { scale, proxies, load, progress } = this.#parts;
    const count = Math.ceil(scale.seconds * rate);
    const target = await this.#prepare("ours", nonces, count);
    proxies.ours.taken();
    const { right } = await load.send({ ...target, count, rate });
    const underLoad = proxies.ours.taken();
    this.#claimed += right;
    await sleep(scale.seconds * 1000);
    const without = proxies.ours.taken();
    progress(`nonces ${nonces}, ${right} verified: ${JSON.stringify(underLoad)}, idle: ${JSON.stringify(without)}`);
    const caused = Math.max(0, questions(underLoad) - questions(without));
    return { perVerify: caused / right, perBlock: (sum(without) / scale.seconds) * BLOCK_SECONDS };
  }

  async #countPeerCalls(): Promise<number> {
    const { proxies, load } = this.#parts;
    const target = await this.#prepare("counted", "within words", PEER_WARM_UPS);
    proxies.peer.taken();
    const { right } = await load.send({ ...target, count: PEER_WARM_UPS });
    return sum(proxies.peer.taken()) / right;
  }
}

function row(figure: string, unit: string, ours: number, peer: number | null = null): Figure {
  return { figure, unit, ours, peer, target: null, better: "lower" };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

/** The newest block is asked for by the clock, whoever pays. */
function questions({ eth_getBlockByNumber: _polls, ...counts }: Readonly<Record<string, number>>): number {
  return sum(counts);
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
