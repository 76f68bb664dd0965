import { OpgError } from "../protocol/errors.ts";
import type { AccountTerms } from "./accountTerms.ts";
import type { AccountEntry, ClientState, StateContent } from "./clientState.ts";

/** A call that is about to be signed for. */
export interface OpenCall {
  /** Payment identifier: tasks under the same one are worth one payment together. */
  id: string;
  /** Ceiling, atomic units. */
  amount: bigint;
  taskId: string;
  /** Nobody is paid for the task after this, seconds since 1970. */
  expiresAt: number;
}

/**
 * The client's own books of an account, shared by all clients on one state: what calls were charged, what those under way may be
 * charged, and which cap that takes. A cap is in the books before a voucher is signed for it, so that none is out that they do
 * not know; and it never falls, because a voucher that was signed cannot be taken back.
 */
export class AccountBook {
  readonly #state: ClientState;
  readonly #terms: AccountTerms;
  /** What the chain shows taken already; asked for once, by whoever begins the books. */
  readonly #takenSoFar: () => Promise<bigint>;
  #begun: Promise<unknown> | undefined;

  constructor(state: ClientState, terms: AccountTerms, takenSoFar: () => Promise<bigint>) {
    this.#state = state;
    this.#terms = terms;
    this.#takenSoFar = takenSoFar;
  }

  /** What is in the books now. */
  async read(): Promise<AccountEntry> {
    const known = await this.#state.update((content) => ({ content, value: this.#find(content) }));
    if (known) return known;
    const before = await this.#takenSoFar();
    return this.#change((entry) => entry, before);
  }

  /**
   * Counts the ceiling of a call before it is signed for, and raises the cap where that takes it.
   *
   * @throws OpgError `spending_limit_reached`: nothing was counted
   */
  async reserve({ id, amount, taskId, expiresAt }: OpenCall): Promise<AccountEntry> {
    await (this.#begun ??= this.read().catch((error: unknown) => {
      this.#begun = undefined;
      throw error;
    }));
    return this.#change((entry) => {
      const earlier = entry.open.find((call) => call.id === id);
      const call = {
        id,
        amount: maxOf(amount, earlier?.amount ?? 0n),
        taskIds: [...new Set([...(earlier?.taskIds ?? []), taskId])],
        expiresAt: Math.max(expiresAt, earlier?.expiresAt ?? 0),
      };
      const reserved = { ...entry, open: [...entry.open.filter((other) => other.id !== id), call] };
      return this.#raised(reserved, neededBy(reserved));
    });
  }

  /** Raises the cap to what the facilitator asks for. @throws OpgError `spending_limit_reached` */
  raise(need: bigint): Promise<AccountEntry> {
    return this.#change((entry) => this.#raised(entry, need));
  }

  /**
   * Ends a call at its charge, once; never at more than was signed for.
   *
   * @param shown - cap of the voucher that the facilitator took with it
   */
  async end(id: string, charge: bigint, shown = 0n): Promise<void> {
    await this.#change((before) => {
      const entry = before.shown < shown ? { ...before, shown } : before;
      const call = entry.open.find((one) => one.id === id);
      if (!call) return entry;
      const charged = entry.charged + (charge < call.amount ? charge : call.amount);
      return { ...entry, charged, open: entry.open.filter((one) => one !== call) };
    });
  }

  /** Keeps a voucher that was signed for a cap in the books. */
  async keep(voucher: NonNullable<AccountEntry["voucher"]>): Promise<void> {
    await this.#change((entry) => ((entry.voucher?.cap ?? 0n) <= voucher.cap ? { ...entry, voucher } : entry));
  }

  /** At once to all that the limits allow: every step of the cap is a signature. */
  #raised(entry: AccountEntry, need: bigint): AccountEntry {
    if (need <= entry.cap) return entry;
    const { maxAtStake, maxCap } = this.#terms;
    const reach = entry.before + entry.charged + maxAtStake;
    const isCapped = maxCap < reach;
    const cap = isCapped ? maxCap : reach;
    if (cap >= need) return { ...entry, cap };
    const limit = isCapped
      ? { option: "account.maxCap", limit: maxCap }
      : { option: "account.maxAtStake", limit: maxAtStake };
    throw limitReached(entry, need, limit);
  }

  #change(change: (entry: AccountEntry) => AccountEntry, before = 0n): Promise<AccountEntry> {
    return this.#state.update((content) => {
      const known = this.#find(content);
      const { account, facilitator, taskEscrow } = this.#terms;
      const fresh = {
        account,
        facilitator,
        taskEscrow,
        before,
        charged: 0n,
        cap: 0n,
        voucher: null,
        shown: 0n,
        open: [],
      };
      const value = change(known ?? fresh);
      const others = content.accounts.filter((entry) => entry !== known);
      return { content: value === known ? content : { ...content, accounts: [...others, value] }, value };
    });
  }

  #find({ accounts }: StateContent): AccountEntry | undefined {
    const { account, facilitator, taskEscrow } = this.#terms;
    const isThis = (entry: AccountEntry): boolean =>
      entry.account === account && entry.facilitator === facilitator && entry.taskEscrow === taskEscrow;
    return accounts.find(isThis);
  }
}

/** Ceilings of all calls that are not known to have ended. */
export function reservedIn({ open }: AccountEntry): bigint {
  return open.reduce((sum, { amount }) => sum + amount, 0n);
}

function neededBy(entry: AccountEntry): bigint {
  return entry.before + entry.charged + reservedIn(entry);
}

function limitReached(entry: AccountEntry, need: bigint, limits: { option: string; limit: bigint }): OpgError {
  const charged = entry.before + entry.charged;
  const reserved = reservedIn(entry);
  const { option, limit } = limits;
  const message = `This call takes a voucher of ${need} atomic units; this client knows of ${charged} charged and of ${reserved} reserved by calls under way, and ${option} is ${limit}. No voucher was signed: wait for those calls to end, or raise ${option}.`;
  return new OpgError("spending_limit_reached", message, { ...limits, need, charged, reserved, cap: entry.cap });
}

function maxOf(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
