import { setTimeout as sleep } from "node:timers/promises";
import { localAccount } from "#deploy/localAccounts.ts";
import type { DaemonProcess } from "#scripts/network/startProcess.ts";
import { BLOCK_SECONDS, type BenchNetwork } from "./benchNetwork.ts";
import type { CountingProxy } from "./countingProxy.ts";
import type { Figure } from "./figures.ts";
import type { LoadResult } from "./load.ts";
import type { LoadProcess } from "./loadProcess.ts";
import type { Vouchers } from "./prefundedCalls.ts";
import { machineSeconds, processorSeconds } from "./processorTime.ts";

/** How much is measured. */
export interface PrefundedScale {
  payers: number;
  rounds: number;
  /** Of each round. */
  seconds: number;
  connections: number;
  /** Calls that are signed for each second, more than can be accepted. */
  perSecond: number;
}

/** Everything that takes part. */
export interface PrefundedParts {
  scale: PrefundedScale;
  network: BenchNetwork;
  /** In front of the chain. */
  proxy: CountingProxy;
  facilitator: DaemonProcess;
  load: LoadProcess;
  /** What the database holds. */
  countReserved: () => Promise<{ tasks: number; atomic: string }>;
  progress: (line: string) => void;
}

const CALLS_PER_SECOND = 2_000;
const P99_MILLISECONDS = 25;
const CEILING = 1_000n;
/** Each payer's calls before the clock runs: from the second on an account is followed. */
const WARM_UPS = 2;
const WARM_UP_SECONDS = 60;

/** Figures of prefunded calls: how many, how late, what the chain is asked, and who used the cores. */
export class PrefundedMeasurement {
  readonly #parts: PrefundedParts;
  #accepted = 0;
  #cores: Record<string, number> = {};

  constructor(parts: PrefundedParts) {
    this.#parts = parts;
  }

  async run(): Promise<Figure[]> {
    await this.#warmUp();
    const rate = median(await this.#rounds("as fast as they answer", "none", undefined, ({ perSecond }) => perSecond));
    const cores = Object.entries(this.#cores).map(([who, ours]) => row(`cores used by ${who}`, "cores", ours));
    const p99 = ({ p99Milliseconds }: LoadResult): number => p99Milliseconds;
    const late = median(await this.#rounds("at half of that rate", "none", rate / 2, p99));
    const [voucherRate = 0] = await this.#rounds(
      "vouchers",
      "a new one each",
      undefined,
      ({ perSecond }) => perSecond,
      1,
    );
    const calls = await this.#countCalls(rate / 2);
    await this.#requireReserved();
    return [
      { ...row("prefunded calls accepted", "per second", rate), target: CALLS_PER_SECOND, better: "higher" },
      { ...row("p99 at half of that rate", "ms", late), target: P99_MILLISECONDS },
      { ...row("prefunded calls accepted, a new voucher with each", "per second", voucherRate), better: "higher" },
      { ...row("calls to the chain per prefunded call", "calls", calls.perCall), target: 0 },
      row("calls to the chain per block, whoever calls", "calls", calls.perBlock),
      ...cores,
    ];
  }

  async #warmUp(): Promise<void> {
    const { payers } = this.#parts.scale;
    await this.#sign("a new one each", WARM_UPS * payers);
    const { right } = await this.#send(WARM_UPS * payers, { seconds: WARM_UP_SECONDS });
    if (right !== WARM_UPS * payers) throw new Error(`Only ${right} calls were accepted in ${WARM_UP_SECONDS} s.`);
  }

  async #rounds(
    how: string,
    vouchers: Vouchers,
    rate: number | undefined,
    figureOf: (result: LoadResult) => number,
    rounds = this.#parts.scale.rounds,
  ): Promise<number[]> {
    const { scale, progress } = this.#parts;
    const figures: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const count = Math.ceil(scale.seconds * (rate ?? scale.perSecond));
      await this.#sign(vouchers, count);
      const result = await this.#send(count, rate === undefined ? {} : { rate });
      figures.push(figureOf(result));
      const { perSecond, p99Milliseconds } = result;
      progress(`${how}, ${round}: ${perSecond.toFixed(0)} per second, p99 ${p99Milliseconds.toFixed(1)} ms`);
    }
    return figures;
  }

  #sign(vouchers: Vouchers, count: number): Promise<void> {
    const { network, load } = this.#parts;
    const { contracts, chainId } = network.network;
    const callTerms = {
      ...{ chainId, token: contracts.opg, taskEscrow: contracts.taskEscrow, ceiling: CEILING.toString() },
      ...{ facilitator: localAccount("facilitator").address, node: localAccount("operator1").address },
    };
    return load.sign({ callTerms, payers: network.payers, vouchers, count });
  }

  async #send(count: number, options: { rate?: number; seconds?: number }): Promise<LoadResult> {
    const { scale, facilitator, load } = this.#parts;
    const used = () => [processorSeconds(facilitator.pid), processorSeconds(load.pid), machineSeconds()];
    const before = used();
    const { seconds, connections } = scale;
    const target = { url: facilitator.url, path: "/tasks", right: '{"taskId":"0x', seconds, connections };
    const result = await load.send({ ...target, count, ...options });
    this.#accepted += result.right;
    const [ours = 0, generator = 0, machine = 0] = used().map((end, index) => end - (before[index] ?? 0));
    const lasted = result.right / result.perSecond;
    if (options.rate === undefined && options.seconds === undefined) {
      this.#cores = {
        "our facilitator": ours / lasted,
        "the load generator": generator / lasted,
        "database, chain and everybody else": (machine - ours - generator) / lasted,
      };
    }
    return result;
  }

  /** What the chain is asked under load, beyond what it is asked without any. */
  async #countCalls(rate: number): Promise<{ perCall: number; perBlock: number }> {
    const { scale, proxy } = this.#parts;
    const count = Math.ceil(scale.seconds * rate);
    await this.#sign("none", count);
    proxy.taken();
    const { right } = await this.#send(count, { rate });
    const underLoad = sum(proxy.taken());
    await sleep(scale.seconds * 1000);
    const idle = sum(proxy.taken());
    return { perCall: Math.max(0, underLoad - idle) / right, perBlock: (idle / scale.seconds) * BLOCK_SECONDS };
  }

  async #requireReserved(): Promise<void> {
    const { tasks, atomic } = await this.#parts.countReserved();
    const expected = BigInt(this.#accepted) * CEILING;
    if (tasks === this.#accepted && BigInt(atomic) === expected) return;
    throw new Error(
      `${this.#accepted} calls were accepted; the database holds ${tasks} and ${atomic} of ${expected} units.`,
    );
  }
}

function row(figure: string, unit: string, ours: number): Figure {
  return { figure, unit, ours, peer: null, target: null, better: "lower" };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
