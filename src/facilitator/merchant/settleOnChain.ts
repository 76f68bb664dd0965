import type { Call } from "#chain/call.ts";
import { readPaymentFacts } from "#chain/chainFacts.ts";
import { FacilitatorEntryAdapter } from "#chain/facilitatorEntry.ts";
import { findProxyTransfers } from "#chain/proxyTransfers.ts";
import { CallReverted } from "#chain/submitCall.ts";
import { populateProxySettle } from "#chain/x402Proxy.ts";
import type { Dependencies } from "#facilitator/dependencies.ts";
import type { SentTransaction } from "#facilitator/outbox.ts";
import type { SenderRule } from "#facilitator/signers.ts";
import { sponsorAllowance } from "#facilitator/sponsorAllowance.ts";
import { OpgError } from "#protocol/errors.ts";
import type { StoredPayment } from "#store/facilitatorPayments.ts";
import { MAX_SETTLE_GAS, type SettlementGas } from "./settlementGas.ts";
import { hasRevertedTooOften, type UnexplainedRefusals, untilBlockAbove } from "./unexplainedRefusals.ts";
import { type UnpaidEnd, whyUnpaid } from "./whyUnpaid.ts";

/** How a payment stands on the chain. */
export interface SettlementEnd extends Omit<UnpaidEnd, "isExplained"> {
  /** Whether it is watched until its block is deep enough, or nothing on the chain could take it back. */
  isKept: boolean;
}

/** What has not ended a payment, a displaced transaction or a refusal that nothing explains, is tried again so often at once. */
const MAX_SENDINGS = 3;

/** What is remembered from one settlement to the next. */
export interface SettlingMemory {
  gas: SettlementGas;
  refusals: UnexplainedRefusals;
}

/**
 * Sends a payment's settlement, or waits for the one that is on its way. What the chain holds in the end decides, not how
 * ours went: it is over when the chain shows who was paid, or why nobody can be, and not because one try was refused.
 *
 * @throws OpgError `chain_unavailable`: it is not known yet
 */
export async function settleOnChain(
  dependencies: Dependencies,
  stored: StoredPayment,
  amount: bigint,
  { gas, refusals }: SettlingMemory,
): Promise<SettlementEnd> {
  if (amount === 0n) return { answer: paid("", amount), isKept: true };
  let current = stored;
  for (let sendings = 1; sendings <= MAX_SENDINGS; sendings++) {
    const tried = await trySettling(dependencies, current, amount, sendings === 1 ? gas : undefined);
    if (tried.hash !== undefined) {
      if (tried.gasUsed !== null) gas.learn(current, tried.gasUsed);
      return { answer: paid(tried.hash, amount), isKept: true };
    }
    const end = await conclude(dependencies, current, amount, { ...tried, refusals });
    if (end) return end;
    current = (await dependencies.store.findPayment(stored.digest)) ?? current;
  }
  throw notKnownYet(stored.digest);
}

/**
 * Gas for a settlement of which it is known, at the newest block and out of memory, that it goes through: its payer has the
 * funds and the nonce, and others of the same token went the same way. An estimate would say no more of the block that holds it.
 * Should it run out of gas all the same, it is sent again with a look at it.
 */
async function knownGasFor(
  { payers }: Dependencies,
  { payload, scheme, permit, reorged }: StoredPayment,
  amount: bigint,
  gas: SettlementGas,
): Promise<bigint | undefined> {
  const limit = gas.limitFor({ scheme, payload });
  if (limit === undefined || permit !== null || reorged) return undefined;
  const { from: payer, nonce, permitted, deadline } = payload.permit2Authorization;
  // What cannot be told out of memory is left to the look at it.
  const state = await payers.stateOf({ token: permitted.token, payer }, nonce).catch(() => undefined);
  if (state === undefined || state.nonceUsed || state.payerHasCode || state.block.timestamp > deadline)
    return undefined;
  return state.balance >= amount && state.allowance >= amount ? limit : undefined;
}

/** How one sending went: paid by `hash`, refused in these words, or without a block that says so. */
interface Tried {
  hash?: string;
  gasUsed: bigint | null;
  revert?: string | undefined;
  /** Whether it says nothing of the payment: displaced, or sent without a look. */
  isInconclusive: boolean;
}

async function trySettling(
  dependencies: Dependencies,
  stored: StoredPayment,
  amount: bigint,
  gas: SettlementGas | undefined,
): Promise<Tried> {
  // What an earlier process has sent may not have been looked at either.
  let wasLookedAt = gas === undefined;
  const known = async (): Promise<bigint | undefined> => {
    const limit = gas && (await knownGasFor(dependencies, stored, amount, gas));
    wasLookedAt = limit === undefined;
    return limit;
  };
  try {
    const { ended } = await send(dependencies, stored, amount, known);
    const { hash, status, blockNumber, gasUsed } = await ended;
    if (status === "included") return { hash, gasUsed, isInconclusive: false };
    return { gasUsed, isInconclusive: blockNumber === null || !wasLookedAt };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const revert = error instanceof CallReverted ? error.revert?.words : error.message;
    return { gasUsed: null, revert, isInconclusive: false };
  }
}

async function send(
  dependencies: Dependencies,
  stored: StoredPayment,
  amount: bigint,
  knownGas: () => Promise<bigint | undefined>,
): Promise<SentTransaction> {
  const { outbox } = dependencies;
  const { digest, permit, transactions } = stored;
  const earlier = transactions.find(({ purpose, status }) => purpose === "settle" && status !== "reverted");
  if (earlier) return outbox.resume(earlier);
  if (permit) await sponsorAllowance(dependencies, digest, permit, amount);
  const { call, sender } = populateSettle(dependencies, stored, amount);
  return outbox.send(digest, "settle", call, { sender, knownGas });
}

/** The proxy wants to be called by whom the payer named: our entry, or the facilitator itself; under `exact` by anyone. */
function populateSettle(
  { terms, provider }: Dependencies,
  { scheme, payload }: StoredPayment,
  amount: bigint,
): { call: Call; sender: SenderRule } {
  const isByEntry = payload.permit2Authorization.witness.facilitator === terms.entry;
  const call = isByEntry
    ? new FacilitatorEntryAdapter(terms.entry, provider).populateSettle(payload, amount)
    : populateProxySettle(scheme, payload, amount);
  const named: SenderRule = isByEntry ? "signer" : "facilitator";
  return { call: { ...call, gasLimit: MAX_SETTLE_GAS }, sender: scheme === "exact" ? "anyone" : named };
}

function isRefusal(error: unknown): error is Error {
  return error instanceof CallReverted || (error instanceof OpgError && error.code === "permit2_allowance_required");
}

/**
 * Somebody may have settled in our place: the payee is paid then, and that is all the merchant wants.
 *
 * @returns nothing where it is still to be settled
 */
async function conclude(
  dependencies: Dependencies,
  stored: StoredPayment,
  amount: bigint,
  { revert, isInconclusive, refusals }: Tried & Pick<SettlingMemory, "refusals">,
): Promise<SettlementEnd | undefined> {
  const { provider, head, depths } = dependencies;
  const { digest, scheme, payload, claimedBlock, reorged } = stored;
  const { signature, permit2Authorization: authorization } = payload;
  const { from: payer, nonce, permitted } = authorization;
  const question = { token: permitted.token, payer, nonce, digest, signature };
  // Blocks that come while it answers are not asked of it.
  const known = Math.max(claimedBlock, head.newest.number);
  const isShown = ({ number }: { number: number }): boolean => number >= known;
  const facts = await readPaymentFacts(provider, question);
  // An endpoint that has fallen behind knows less than what the payment was claimed by.
  if (!isShown(facts.block)) throw notKnownYet(digest);
  if (isInconclusive && !facts.nonceUsed) return undefined;
  const { isExplained, ...end } = whyUnpaid({ scheme, payload, reorged }, amount, facts, revert);
  const unpaid = { ...end, isKept: true };
  if (!facts.nonceUsed) {
    const isOver = isExplained || (await isOverUnexplained(dependencies, stored, amount, facts.block.number, refusals));
    return isOver ? unpaid : undefined;
  }
  const found = await findProxyTransfers(provider, { scheme, authorization, amount, fromBlock: claimedBlock });
  if (!isShown({ number: await provider.getBlockNumber() })) throw notKnownYet(digest);
  if (found.settlement !== undefined) {
    const { hash, blockNumber } = found.settlement;
    const depth = Math.max(head.newest.number, facts.block.number) - blockNumber + 1;
    if (depth < depths.confirmations) throw notKnownYet(digest);
    return { answer: paid(hash, amount), isKept: depth >= depths.reorgBlocks };
  }
  // The merchant may have been paid by a contract in between: not recognised, but nobody's fault.
  return found.isPaidSomehow ? { answer: unpaid.answer, isKept: true } : unpaid;
}

/** Nothing speaks against the payment, and yet it was refused: by a lagging endpoint, by a payer's tricks, or by the token. */
async function isOverUnexplained(
  dependencies: Dependencies,
  stored: StoredPayment,
  amount: bigint,
  block: number,
  refusals: UnexplainedRefusals,
): Promise<boolean> {
  const { provider, head, wallet } = dependencies;
  // The facilitator itself may send each of them.
  const call = { ...populateSettle(dependencies, stored, amount).call, from: wallet.address };
  if (hasRevertedTooOften(stored) || (await refusals.isForGood(provider, stored.digest, call, block))) return true;
  await untilBlockAbove(head, block);
  return false;
}

function paid(transaction: string, amount: bigint): SettlementEnd["answer"] {
  return { success: true, transaction, amount: amount.toString() };
}

function notKnownYet(digest: string): OpgError {
  const words = "The chain does not say yet what became of the settlement; ask again in a moment.";
  return new OpgError("chain_unavailable", words, { payment: digest });
}
