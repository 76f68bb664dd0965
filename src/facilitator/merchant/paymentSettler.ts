import type { Call } from "#chain/call.ts";
import { readPaymentFacts } from "#chain/chainFacts.ts";
import { FacilitatorEntryAdapter } from "#chain/facilitatorEntry.ts";
import { findProxyTransfers } from "#chain/proxyTransfers.ts";
import { CallReverted } from "#chain/submitCall.ts";
import { populateProxySettle } from "#chain/x402Proxy.ts";
import type { Dependencies } from "#facilitator/dependencies.ts";
import type { SentTransaction } from "#facilitator/outbox.ts";
import { sponsorAllowance } from "#facilitator/sponsorAllowance.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Loss } from "#store/facilitatorClaims.ts";
import type { PaymentAnswer, StoredPayment } from "#store/facilitatorPayments.ts";
import { whyUnpaid } from "./whyUnpaid.ts";

/** Brings payments whose merchant settles them to their end, each by one hand at a time. */
export class PaymentSettler {
  readonly #dependencies: Dependencies;
  readonly #settling = new Map<string, Promise<PaymentAnswer>>();

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Resolves when it is known how the payment ended, and that is stored. May be called at any time and any number of times,
   * in any process.
   *
   * @throws OpgError `chain_unavailable`: it is not known yet
   */
  settle(digest: string): Promise<PaymentAnswer> {
    const running = this.#settling.get(digest);
    if (running) return running;
    const settling = this.#dependencies.store.hold(leaseOf(digest), () => this.#settle(digest));
    this.#settling.set(digest, settling);
    const forget = (): boolean => this.#settling.delete(digest);
    settling.then(forget, forget);
    return settling;
  }

  /** Takes up a payment that nobody works on. */
  async finish(digest: string): Promise<void> {
    if (this.#settling.has(digest)) return;
    await this.#dependencies.store.holdIfFree(leaseOf(digest), async () => {
      await this.#settle(digest);
    });
  }

  async #settle(digest: string): Promise<PaymentAnswer> {
    const { store, clock, logger } = this.#dependencies;
    const stored = await store.findPayment(digest);
    if (stored?.answer) return stored.answer;
    if (stored?.state !== "settling" || stored.amount === null) {
      throw new OpgError("internal", `Payment ${digest} is not to be settled: it is ${stored?.state ?? "unknown"}.`);
    }
    const { answer, loss } = await settleOnChain(this.#dependencies, stored, stored.amount);
    const ended = await store.recordPaymentEnd(digest, answer, clock(), loss);
    const { transaction: hash, errorReason } = ended;
    logger.info({ payment: digest, amount: stored.amount, hash, errorReason }, "merchant's payment ended");
    return ended;
  }
}

const leaseOf = (digest: string): string => `payment ${digest}`;

/** Sends the settlement, or waits for the one that is on its way. What the chain holds in the end decides, not how ours went. */
async function settleOnChain(
  dependencies: Dependencies,
  stored: StoredPayment,
  amount: bigint,
): Promise<{ answer: PaymentAnswer; loss?: Loss }> {
  if (amount === 0n) return { answer: paid("", amount) };
  let revert: string | undefined;
  try {
    const sent = await send(dependencies, stored, amount);
    const { status, blockNumber } = await sent.ended;
    if (status === "included") return { answer: paid(sent.hash, amount) };
    if (blockNumber === null) throw notKnownYet(stored.digest);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    revert = error instanceof CallReverted ? error.revert?.words : error.message;
  }
  return conclude(dependencies, stored, amount, revert);
}

async function send(dependencies: Dependencies, stored: StoredPayment, amount: bigint): Promise<SentTransaction> {
  const { outbox } = dependencies;
  const { digest, permit, transactions } = stored;
  const earlier = transactions.find(({ purpose, status }) => purpose === "settle" && status !== "reverted");
  if (earlier) return outbox.resume(earlier);
  if (permit) await sponsorAllowance(dependencies, digest, permit, amount);
  return outbox.send(digest, "settle", populateSettle(dependencies, stored, amount));
}

/**
 * Tokens and payers may be anybody's contracts. A plain settlement needs less than 120,000; more than this we do not pay for.
 */
const MAX_SETTLE_GAS = 500_000n;

/** The proxy wants to be called by whom the payer named: our entry, or our signer itself. */
function populateSettle({ terms, provider }: Dependencies, { scheme, payload }: StoredPayment, amount: bigint): Call {
  const isByEntry = payload.permit2Authorization.witness.facilitator === terms.entry;
  const call = isByEntry
    ? new FacilitatorEntryAdapter(terms.entry, provider).populateSettle(payload, amount)
    : populateProxySettle(scheme, payload, amount);
  return { ...call, gasLimit: MAX_SETTLE_GAS };
}

function isRefusal(error: unknown): error is Error {
  return error instanceof CallReverted || (error instanceof OpgError && error.code === "permit2_allowance_required");
}

/** Somebody may have settled in our place: the payee is paid then, and that is all the merchant wants. */
async function conclude(
  { provider }: Dependencies,
  { digest, scheme, payload, claimedBlock }: StoredPayment,
  amount: bigint,
  revert: string | undefined,
): Promise<{ answer: PaymentAnswer; loss?: Loss }> {
  const { signature, permit2Authorization: authorization } = payload;
  const { from: payer, nonce, permitted } = authorization;
  const question = { token: permitted.token, payer, nonce, digest, signature };
  const facts = await readPaymentFacts(provider, question);
  if (!facts.nonceUsed) return whyUnpaid({ scheme, payload }, amount, facts, revert);
  const found = await findProxyTransfers(provider, { scheme, authorization, amount, fromBlock: claimedBlock });
  if (found.settlement !== undefined) return { answer: paid(found.settlement, amount) };
  const { answer, loss } = whyUnpaid({ scheme, payload }, amount, facts, revert);
  // The merchant may have been paid by a contract in between: not recognised, but nobody's fault.
  return loss && !found.isPaidSomehow ? { answer, loss } : { answer };
}

function paid(transaction: string, amount: bigint): PaymentAnswer {
  return { success: true, transaction, amount: amount.toString() };
}

function notKnownYet(digest: string): OpgError {
  const words = "The chain does not say yet what became of the settlement; ask again in a moment.";
  return new OpgError("chain_unavailable", words, { payment: digest });
}
