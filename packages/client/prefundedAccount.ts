import { OpgError } from "../protocol/errors.ts";
import { domainIn } from "../protocol/network.ts";
import type { Trail } from "../protocol/settlement.ts";
import { type SignedCapJson, voucherTypedData } from "../protocol/voucher.ts";
import { AccountBook, type OpenCall } from "./accountBook.ts";
import type { AccountTerms } from "./accountTerms.ts";
import type { AccountEntry } from "./clientState.ts";
import { finalCharge } from "./finalCharge.ts";
import type { Payer } from "./payer.ts";

/** So many trails are asked for at a time. */
const AT_ONCE = 8;

/** What a prefunded account is kept with. */
export interface PrefundedAccountDependencies extends Pick<Payer, "network" | "signer" | "state" | "clock"> {
  /** What the chain shows taken from the account; nothing where it cannot be asked. */
  takenSoFar: () => Promise<bigint>;
  /** The story of a task. */
  trailOf: (taskId: string) => Promise<Trail>;
}

/** A prefunded account as its voucher key's clients use it: the books, and the vouchers that they take. */
export class PrefundedAccount {
  readonly terms: AccountTerms;
  readonly #with: PrefundedAccountDependencies;
  readonly #book: AccountBook;
  /** The last voucher: a person is asked once for each, however many calls need it. */
  #signed: { cap: bigint; signature: Promise<string> } | undefined;

  constructor(terms: AccountTerms, dependencies: PrefundedAccountDependencies) {
    this.terms = terms;
    this.#with = dependencies;
    this.#book = new AccountBook(dependencies.state, terms, dependencies.takenSoFar);
  }

  /**
   * Counts a call.
   *
   * @returns the voucher to send with it; nothing where the facilitator has one as high
   * @throws OpgError `spending_limit_reached`
   */
  async reserve(call: OpenCall): Promise<SignedCapJson | undefined> {
    const entry = await this.#withRoom(() => this.#book.reserve(call));
    return entry.shown >= entry.cap ? undefined : this.#voucherOver(entry);
  }

  /** The voucher that a facilitator asks for. @throws OpgError `spending_limit_reached` */
  async raise(need: bigint): Promise<SignedCapJson> {
    return this.#voucherOver(await this.#withRoom(() => this.#book.raise(need)));
  }

  /** Ends a call at its charge. @param shown - cap of the voucher that the facilitator took with it */
  end(id: string, charge: bigint, shown: bigint): Promise<void> {
    return this.#book.end(id, charge, shown);
  }

  /** The books, after asking how calls ended that nobody heard the end of. */
  async read(): Promise<AccountEntry> {
    await this.#learn();
    return this.#book.read();
  }

  async #withRoom(count: () => Promise<AccountEntry>): Promise<AccountEntry> {
    try {
      return await count();
    } catch (error) {
      const isFull = error instanceof OpgError && error.code === "spending_limit_reached";
      if (!isFull || !(await this.#learn())) throw error;
      return count();
    }
  }

  /** @returns whether anything ended */
  async #learn(): Promise<boolean> {
    const { open } = await this.#book.read();
    const unknown = [...open];
    let hasLearned = false;
    const askInTurn = async (): Promise<void> => {
      for (let call = unknown.shift(); call; call = unknown.shift()) {
        const charge = await this.#chargeOf(call);
        if (charge === undefined) continue;
        await this.#book.end(call.id, charge);
        hasLearned = true;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, askInTurn));
    return hasLearned;
  }

  /** What a call cost in the end; nothing while that is open. A task that nobody knows is over once its time is. */
  async #chargeOf({ taskIds, expiresAt }: AccountEntry["open"][number]): Promise<bigint | undefined> {
    const ends = await Promise.all(taskIds.map((taskId) => this.#endOf(taskId, expiresAt)));
    const charges = ends.filter((end) => end !== undefined);
    const paid = charges.find((charge) => charge > 0n);
    return paid ?? (charges.length === ends.length ? 0n : undefined);
  }

  async #endOf(taskId: string, expiresAt: number): Promise<bigint | undefined> {
    try {
      return finalCharge(await this.#with.trailOf(taskId));
    } catch (error) {
      const isUnknown = error instanceof OpgError && error.code === "unknown_task";
      return isUnknown && this.#with.clock() > expiresAt ? 0n : undefined;
    }
  }

  async #voucherOver({ cap, voucher }: AccountEntry): Promise<SignedCapJson> {
    const isAtHand = voucher?.cap === cap && voucher.signer === this.#with.signer.address;
    const signature = isAtHand ? voucher.signature : await this.#sign(cap);
    return { cap: cap.toString(), signature };
  }

  #sign(cap: bigint): Promise<string> {
    if (this.#signed?.cap === cap) return this.#signed.signature;
    const { network, signer } = this.#with;
    const { payer, facilitator } = this.terms;
    const { domain, types, value } = voucherTypedData({ payer, facilitator, cap }, domainIn(network, "taskEscrow"));
    const signing = signer.signTypedData(domain, types, value).then(async (signature) => {
      await this.#book.keep({ cap, signer: signer.address, signature });
      return signature;
    });
    signing.catch(() => (this.#signed = undefined));
    this.#signed = { cap, signature: signing };
    return signing;
  }
}
