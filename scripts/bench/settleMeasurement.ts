import { id, type Provider, Wallet } from "ethers";
import type pg from "pg";
import { localAccount } from "#deploy/localAccounts.ts";
import type { DaemonProcess } from "#scripts/network/startProcess.ts";
import type { BenchNetwork } from "./benchNetwork.ts";
import type { CountingProxy } from "./countingProxy.ts";
import type { Figure } from "./figures.ts";
import { sendLoad } from "./load.ts";
import { PaymentMaker } from "./payments.ts";
import { machineSeconds, processorSeconds } from "./processorTime.ts";
import { requireSameBooks, submittedPayment, transfersTo } from "./settledPayments.ts";
import { settleAtOnce, type ToldEnd } from "./settleLoad.ts";

/** How much is measured. */
export interface SettleScale {
  /** Submitted at once, in each turn. */
  payments: number;
  payers: number;
  /** By which they are verified before. */
  connections: number;
  /** Of our facilitator, in the turn with several. */
  signers: number;
  /** How long any answer is waited for. */
  patienceSeconds: number;
}

/** Everything that takes part. */
export interface SettleParts {
  scale: SettleScale;
  network: BenchNetwork;
  /** To the chain, past the proxies. */
  provider: Provider;
  /** In front of the chain. */
  proxies: Record<"ours" | "peer", CountingProxy>;
  /** Our facilitator's. */
  database: pg.Pool;
  /** Starts our facilitator with so many signers. */
  start: (signers: number) => Promise<DaemonProcess>;
  /** The stock facilitator, which has one. */
  peer: DaemonProcess;
  progress: (line: string) => void;
}

/** What one turn came to. */
interface Turn {
  /** Payments that the chain shows as paid. */
  settled: number;
  /** Until the last one of them was known to be settled. */
  seconds: number;
  perSecond: number;
  /** Paid, but answered otherwise. */
  mistold: number;
  callsPerSettled: number;
  /** Those of them that are not about one payment: blocks, and what is read once for all at each of them. */
  blockCallsPerSettled: number;
  cores: { facilitator: number; others: number };
}

/** Calls that are about one payment, or one transaction. */
const ABOUT_ONE = ["eth_sendRawTransaction", "eth_estimateGas", "eth_getTransactionReceipt", "eth_getTransactionCount"];
const AMOUNT = "1000";
const CALLS_PER_SETTLED = 2;

/** Figures of `/settle`: how many of those that come at once, how soon, and what the chain is asked for them. */
export class SettleMeasurement {
  readonly #parts: SettleParts;

  constructor(parts: SettleParts) {
    this.#parts = parts;
  }

  async run(): Promise<Figure[]> {
    const { scale, proxies, peer } = this.#parts;
    const one = await this.#oursWith(1);
    const stock = await this.#turn("the stock facilitator", peer, localAccount("operator2").address, proxies.peer);
    const several = await this.#oursWith(scale.signers);
    const all = `settled of ${scale.payments} at once`;
    const by = `${scale.signers} signers`;
    const ends = { unit: "payments", target: scale.payments, better: "higher" } as const;
    return [
      { ...row(`${all}, 1 signer`, "payments", one.settled, stock.settled), ...ends },
      { ...row(`${all}, ${by}`, "payments", several.settled), ...ends },
      row("paid, but answered otherwise", "payments", one.mistold + several.mistold, stock.mistold),
      { ...row("settled, 1 signer", "per second", one.perSecond, stock.perSecond), better: "higher" },
      { ...row(`settled, ${by}`, "per second", several.perSecond), better: "higher" },
      row("until the last is settled, 1 signer", "s", one.seconds, stock.seconds),
      row(`until the last is settled, ${by}`, "s", several.seconds),
      {
        ...row("calls to the chain per settled payment, 1 signer", "calls", one.callsPerSettled, stock.callsPerSettled),
        target: CALLS_PER_SETTLED,
      },
      row("of these once per block for all", "calls", one.blockCallsPerSettled),
      row(`calls to the chain per settled payment, ${by}`, "calls", several.callsPerSettled),
      row("cores used by the facilitator, 1 signer", "cores", one.cores.facilitator, stock.cores.facilitator),
      row("cores used by everybody else", "cores", one.cores.others, stock.cores.others),
      row(`cores used by the facilitator, ${by}`, "cores", several.cores.facilitator),
    ];
  }

  async #oursWith(signers: number): Promise<Turn> {
    const { network, proxies, start } = this.#parts;
    const facilitator = await start(signers);
    try {
      const entry = network.network.facilitators[0]?.entry ?? "";
      return await this.#turn(`our facilitator, signers: ${signers}`, facilitator, entry, proxies.ours);
    } finally {
      await facilitator.stop();
    }
  }

  async #turn(who: string, facilitator: DaemonProcess, named: string, proxy: CountingProxy): Promise<Turn> {
    const { scale, network, provider, database, peer, progress } = this.#parts;
    const { chainId, contracts } = network.network;
    const payee = new Wallet(id(`merchant of ${who}`)).address;
    const bodies = await this.#verified(facilitator, { payTo: payee, facilitator: named });
    progress(`${who}: ${bodies.length} verified`);
    proxy.taken();
    const before = [processorSeconds(facilitator.pid), machineSeconds()];
    const told = await settleAtOnce(facilitator.url, bodies, scale.patienceSeconds);
    const after = [processorSeconds(facilitator.pid), machineSeconds()];
    const calls = proxy.taken();
    const transfers = await transfersTo(provider, contracts.opg, payee);
    if (facilitator !== peer) {
      const payments = bodies.map((body) => submittedPayment(body, chainId));
      await requireSameBooks(payments, told, transfers, database);
    }
    const [own = 0, machine = 0] = after.map((end, index) => end - (before[index] ?? 0));
    const turn = turnOf(told, new Set(transfers.map(({ transaction }) => transaction)), calls, { own, machine });
    progress(
      `${who}: ${turn.settled} settled in ${turn.seconds.toFixed(1)} s; ${wordsOf(told)}; ${wordsOfCalls(calls)}`,
    );
    return turn;
  }

  /** Payments that the facilitator has said to be valid, signed before any clock runs. */
  async #verified({ url }: DaemonProcess, who: { payTo: string; facilitator: string }): Promise<string[]> {
    const { scale, network } = this.#parts;
    const terms = { chainId: network.network.chainId, token: network.network.contracts.opg, amount: AMOUNT, ...who };
    const bodies = new PaymentMaker(terms, network.payers, "within words").make(scale.payments);
    const { connections } = scale;
    const load = { url, path: "/verify", right: '{"isValid":true', bodies, seconds: Infinity, connections };
    const { wrong, wrongAnswer } = await sendLoad(load);
    if (wrong > 0) throw new Error(`${wrong} payments were not verified, such as: ${wrongAnswer}`);
    return bodies;
  }
}

function turnOf(
  told: readonly ToldEnd[],
  paidBy: ReadonlySet<string>,
  calls: Readonly<Record<string, number>>,
  { own, machine }: { own: number; machine: number },
): Turn {
  const settled = paidBy.size;
  const toldSettled = told.filter(({ success, transaction }) => success && paidBy.has(transaction));
  const seconds = Math.max(0, ...toldSettled.map((end) => end.seconds));
  const whole = Math.max(0, ...told.map((end) => end.seconds));
  const aboutOne = sum(ABOUT_ONE.map((method) => calls[method] ?? 0));
  const all = sum(Object.values(calls));
  return {
    ...{ settled, seconds, perSecond: toldSettled.length / seconds, mistold: settled - toldSettled.length },
    ...{ callsPerSettled: all / settled, blockCallsPerSettled: (all - aboutOne) / settled },
    cores: { facilitator: own / whole, others: (machine - own) / whole },
  };
}

function wordsOf(told: readonly ToldEnd[]): string {
  const words = ({ success, reason = "no reason" }: ToldEnd): string =>
    success ? "settled" : (/^.*/.exec(reason)?.[0] ?? "");
  return [...Map.groupBy(told, words)].map(([reason, ends]) => `${ends.length} told "${reason}"`).join(", ");
}

function wordsOfCalls(calls: Readonly<Record<string, number>>): string {
  return Object.entries(calls)
    .map(([method, count]) => `${method} ${count}`)
    .join(", ");
}

function row(figure: string, unit: string, ours: number, peer: number | null = null): Figure {
  return { figure, unit, ours, peer, target: null, better: "lower" };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
