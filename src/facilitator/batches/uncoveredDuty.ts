import { lostShares } from "#facilitator/lossOf.ts";
import type { Loss } from "#store/facilitatorClaims.ts";
import type { LostCharge, UncoveredAccount } from "#store/uncoveredAccounts.ts";
import { readChargedAccounts } from "./readChargedAccounts.ts";
import type { BatchDependencies } from "./batchDependencies.ts";
import { type LeftOut, shortfallOf } from "./chooseReceipts.ts";

/** How often the chain is asked about accounts that were left out. */
const LOOK_EVERY_SECONDS = 10;
/** Read in one call, longest waiting first; who comes after them is let in by a call of its own as well. */
const MAX_AT_ONCE = 500;

/**
 * Sees to the accounts that batches leave out. Once such an account covers all that it owes, a batch takes that; where it does
 * not for as long as a withdrawal takes, its charges are lost, as those are which cannot be captured any more.
 */
export class UncoveredDuty {
  readonly #dependencies: BatchDependencies;
  /** Seconds since 1970. */
  #nextLookAt = 0;

  constructor(dependencies: BatchDependencies) {
    this.#dependencies = dependencies;
  }

  /** Has the next {@link look} ask the chain. */
  demand(): void {
    this.#nextLookAt = 0;
  }

  /** Durably leaves accounts out of batches. */
  async leaveOut(leftOut: readonly LeftOut[]): Promise<void> {
    const { store, clock, logger } = this.#dependencies;
    for (const { payer, reason, receipts, amount } of leftOut) {
      logger.warn({ payer, reason, receipts, amount: amount.toString() }, "an account is left out of the batch");
    }
    const uncovered = leftOut.map(({ payer, reason, amount }) => ({ payer, reason, amount }));
    await store.recordUncovered(uncovered, clock());
  }

  /** @throws OpgError `chain_unavailable` */
  async look(): Promise<void> {
    const { store, clock, terms, logger } = this.#dependencies;
    const now = clock();
    if (now < this.#nextLookAt) return;
    this.#nextLookAt = now + LOOK_EVERY_SECONDS;
    const waiting = await store.uncoveredAccounts(MAX_AT_ONCE);
    if (waiting.length === 0) return;
    const payers = waiting.map(({ payer }) => payer);
    const accounts = await readChargedAccounts(this.#dependencies, payers);
    const covers = ({ payer, charged }: UncoveredAccount): boolean => {
      const account = accounts.get(payer);
      return account !== undefined && shortfallOf(account, charged - account.facts.spent, now) === undefined;
    };
    const covered = waiting.filter(covers).map(({ payer }) => payer);
    if (covered.length > 0) await store.recordCovered(covered, now);
    for (const payer of covered) logger.info({ payer }, "an account covers again what it owes");
    const isOver = ({ since }: UncoveredAccount): boolean => now - since >= terms.withdrawDelaySeconds;
    for (const account of waiting) if (!covered.includes(account.payer) && isOver(account)) await this.#giveUp(account);
  }

  async #giveUp({ payer, reason }: UncoveredAccount): Promise<void> {
    const { store, terms, logger } = this.#dependencies;
    const charges = await store.chargesOf(payer);
    await store.recordAccountLoss(payer, terms.token, await this.#lossesOf(charges, reason));
    const amount = charges.reduce((sum, charge) => sum + charge.amount, 0n);
    logger.error({ payer, receipts: charges.length, amount: amount.toString(), reason }, "charge lost");
  }

  async #lossesOf(charges: readonly LostCharge[], reason: string): Promise<Map<string, Loss>> {
    const { settlement, network } = this.#dependencies;
    const [fees, treasury] = await Promise.all([settlement.fees(), settlement.treasury()]);
    return new Map(
      charges.map((charge): [string, Loss] => {
        return [charge.taskId, { reason, shares: lostShares(charge, fees, network.contracts.verifierSet, treasury) }];
      }),
    );
  }
}
