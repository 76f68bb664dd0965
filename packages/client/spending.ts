import { OpgError } from "../protocol/errors.ts";
import type { ClientState, StateContent } from "./clientState.ts";
import type { Clock } from "./fetch.ts";

/** How much of one token may be signed away, in its atomic units. Days are days of UTC. */
export interface SpendingLimits {
  /** Ceiling for one call. */
  maxAmount?: bigint;
  /** Ceiling for all calls of a day together. */
  maxPerDay?: bigint;
  /** Ceiling for all calls of a day to one host (name and port). */
  maxPerHost?: bigint;
}

/** What is spent from where to whom. */
export interface Expense {
  account: string;
  asset: string;
  host: string;
}

/**
 * Counts what was signed away, so that limits hold over every client on one state. An amount counts from before its
 * payment is sent, so that a crash cannot exceed a limit, and even when the server refuses it: a signature once out of hand
 * can be used until it expires, whatever the server said.
 */
export class Expenditure {
  readonly #state: ClientState;
  readonly #clock: Clock;
  readonly #expense: Expense;
  readonly #limits: SpendingLimits;
  #amount = 0n;
  #day = "";

  /** @param expense - nothing of it is counted yet */
  constructor(dependencies: { state: ClientState; clock: Clock }, expense: Expense, limits: SpendingLimits) {
    this.#state = dependencies.state;
    this.#clock = dependencies.clock;
    this.#expense = expense;
    this.#limits = limits;
  }

  /**
   * Counts an amount that is about to be signed for; signatures of which only one can be used are counted once, at the
   * largest.
   *
   * @throws OpgError `price_above_maximum`, `spending_limit_reached`: nothing more was counted
   */
  async raiseTo(amount: bigint): Promise<void> {
    checkCeiling(this.#expense, amount, this.#limits.maxAmount);
    const more = amount - this.#amount;
    if (more <= 0n) return;
    this.#day = await this.#state.update((content) => {
      const today = openDay(content, this.#clock());
      checkLimits(today, this.#expense, more, this.#limits);
      return { content: changeAmount(today, this.#expense, more), value: today.spending.day };
    });
    this.#amount = amount;
  }

  /** Counts an amount and signs for it; what is not signed in the end is not counted. */
  async around<Signed>(amount: bigint, sign: () => Promise<Signed>): Promise<Signed> {
    const before = this.#amount;
    await this.raiseTo(amount);
    try {
      return await sign();
    } catch (error) {
      await this.lowerTo(before);
      throw error;
    }
  }

  /** Takes back all but what is certain to be the charge. */
  async lowerTo(amount: bigint): Promise<void> {
    const less = this.#amount - amount;
    if (less <= 0n) return;
    await this.#state.update((content) => ({
      content: content.spending.day === this.#day ? changeAmount(content, this.#expense, -less) : content,
      value: undefined,
    }));
    this.#amount = amount;
  }
}

/** A day of UTC, such as `2026-01-15`. */
export function dayOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/** The same content with the day's amounts; a clock that was put back opens no day anew. */
function openDay(content: StateContent, nowSeconds: number): StateContent {
  const day = dayOf(nowSeconds);
  return day > content.spending.day ? { ...content, spending: { day, amounts: [], streamed: [] } } : content;
}

function checkCeiling({ asset }: Expense, amount: bigint, maxAmount: bigint | undefined): void {
  if (maxAmount === undefined || amount <= maxAmount) return;
  const message = `The call costs up to ${amount} atomic units, more than the ${maxAmount} that you allow per call; nothing was signed, raise maxAmount or send less.`;
  throw new OpgError("price_above_maximum", message, { amount, maxAmount, asset });
}

function checkLimits({ spending }: StateContent, expense: Expense, amount: bigint, limits: SpendingLimits): void {
  const ofAsset = spending.amounts.filter(
    ({ account, asset }) => account === expense.account && asset === expense.asset,
  );
  const sum = (lines: typeof ofAsset): bigint => lines.reduce((total, line) => total + line.amount, 0n);
  const checks = [
    { option: "maxPerDay", limit: limits.maxPerDay, spent: sum(ofAsset), where: "" },
    {
      option: "maxPerHost",
      limit: limits.maxPerHost,
      spent: sum(ofAsset.filter(({ host }) => host === expense.host)),
      where: ` to ${expense.host}`,
    },
  ];
  for (const { option, limit, spent, where } of checks) {
    if (limit === undefined || spent + amount <= limit) continue;
    const message = `This call's ${amount} atomic units would make ${spent + amount}${where} today (${spending.day}, UTC), more than the ${limit} of ${option}; nothing was signed, raise ${option} or wait for tomorrow.`;
    const { asset, host } = expense;
    throw new OpgError("spending_limit_reached", message, { option, amount, spent, limit, asset, host });
  }
}

/** The same content with more or less counted; never less than nothing. */
export function changeAmount(content: StateContent, { account, asset, host }: Expense, by: bigint): StateContent {
  const { amounts } = content.spending;
  const isSame = (line: Expense): boolean => line.account === account && line.asset === asset && line.host === host;
  const before = amounts.find(isSame)?.amount ?? 0n;
  const amount = before + by > 0n ? before + by : 0n;
  return {
    ...content,
    spending: {
      ...content.spending,
      amounts: [...amounts.filter((line) => !isSame(line)), { account, asset, host, amount }],
    },
  };
}
