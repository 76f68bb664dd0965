import type { AccountState } from "./accountReader.ts";
import { BlockFacts, type BlockFactsDependencies, type ObservedBlock } from "./blockFacts.ts";
import { type Followed, FollowedSet } from "./followed.ts";

/** What the chain says about an account, all of it at one block. */
export interface ObservedAccount extends AccountState {
  block: ObservedBlock;
}

/** Reads accounts at one facilitator, in the order of the payers. */
export type ReadAccounts = (payers: readonly string[], blockNumber: number) => Promise<AccountState[]>;

/** What account states are read with. */
export interface AccountStatesDependencies extends BlockFactsDependencies {
  read: ReadAccounts;
}

const KNOWN_LIMITS = { most: 20_000, blocks: 300 };
/** Whoever claims to be somebody's authorizer is believed by no more than these, who push out none of those that are. */
const STRANGER_LIMITS = { most: 1_000, blocks: 1 };

type FollowedAccount = Followed<string, AccountState>;

/**
 * Prefunded accounts in memory, as {@link PayerStates} has wallets: {@link advance} reads those that are followed again at each
 * new block, and in between a question about one of them costs no call at all.
 */
export class AccountStates {
  readonly #read: ReadAccounts;
  readonly #facts: BlockFacts;
  readonly #known = new FollowedSet<string, AccountState>(KNOWN_LIMITS);
  readonly #strangers = new FollowedSet<string, AccountState>(STRANGER_LIMITS);

  constructor({ read, ...following }: AccountStatesDependencies) {
    this.#read = read;
    this.#facts = new BlockFacts(following, {
      readDue: (blockNumber) => {
        this.#strangers.dueAt(blockNumber);
        return this.#readAccounts(this.#known.dueAt(blockNumber), [], blockNumber);
      },
      readMissing: (blockNumber) => this.#readAccounts(this.#known.missing(), this.#strangers.missing(), blockNumber),
      clear: () => {
        this.#known.clear();
        this.#strangers.clear();
      },
    });
  }

  /** How many accounts are followed. */
  get size(): number {
    return this.#known.size;
  }

  /** See {@link BlockFacts.advance}. */
  advance(): Promise<ObservedBlock> {
    return this.#facts.advance();
  }

  /**
   * An account at the newest block that was seen. It is followed only once {@link follow} was told so: the payer's name alone
   * is anybody's to give.
   *
   * @throws OpgError `chain_unavailable` where the chain does not answer, or its newest block is too old to go by
   */
  async stateOf(payer: string): Promise<ObservedAccount> {
    if (!this.#facts.block) await this.advance();
    const { number } = this.#facts.freshBlock();
    const set = this.#known.has(payer) ? this.#known : this.#strangers;
    const entry = set.ask(payer, payer, number);
    const { found, block } = await this.#facts.find(() => set.valueOf(entry), "the account");
    return { ...found, block };
  }

  /** Follows an account whose authorizer has signed. */
  follow(payer: string, { block, ...facts }: ObservedAccount): void {
    if (this.#known.has(payer)) return;
    const entry = this.#known.ask(payer, payer, block.number);
    if (this.#facts.block === block) this.#known.know([entry], [facts]);
  }

  async #readAccounts(
    known: readonly FollowedAccount[],
    strangers: readonly FollowedAccount[],
    blockNumber: number,
  ): Promise<() => void> {
    const payers = [...known, ...strangers].map(({ question }) => question);
    const facts = payers.length > 0 ? await this.#read(payers, blockNumber) : [];
    return () => {
      this.#known.know(known, facts.slice(0, known.length));
      this.#strangers.know(strangers, facts.slice(known.length));
    };
  }
}
