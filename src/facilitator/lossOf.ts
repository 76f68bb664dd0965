import { readPaymentFacts } from "#chain/chainFacts.ts";
import type { Result } from "#protocol/result.ts";
import { type FeePolicy, splitCharge } from "#protocol/settlement.ts";
import type { Loss, LostShare } from "#store/facilitatorClaims.ts";
import type { StoredTask } from "#store/facilitatorTasks.ts";
import type { Dependencies } from "./dependencies.ts";

/** What nobody gets of a charge that cannot be captured any more, and why, as far as the chain shows it. */
export async function lossOf(
  dependencies: Dependencies,
  stored: StoredTask,
  { amount, payout }: Pick<Result, "amount" | "payout">,
): Promise<Loss> {
  const { settlement, network } = dependencies;
  const [fees, treasury, reason] = await Promise.all([
    settlement.fees(),
    settlement.treasury(),
    stored.reorged ? "reorganised" : lossReason(dependencies, stored, amount),
  ]);
  return { reason, shares: lostShares({ amount, payout }, fees, network.contracts.verifierSet, treasury) };
}

/** Who would have got what of a charge. */
export function lostShares(
  { amount, payout }: Pick<Result, "amount" | "payout">,
  fees: FeePolicy,
  verifierSet: string,
  treasury: string,
): LostShare[] {
  const split = splitCharge(amount, fees);
  return [
    { role: "node", recipient: payout, amount: split.node },
    { role: "verifiers", recipient: verifierSet, amount: split.verifiers },
    { role: "treasury", recipient: treasury, amount: split.treasury },
  ];
}

async function lossReason(
  { provider, terms }: Dependencies,
  { task, paymentDigest: digest, signature }: StoredTask,
  amount: bigint,
): Promise<string> {
  const { payer, nonce } = task;
  const facts = await readPaymentFacts(provider, { token: terms.token, payer, nonce, digest, signature });
  if (facts.nonceUsed) return "nonce_burned";
  if (facts.payerHasCode) return "payer_has_code";
  if (facts.balance < amount) return "balance_moved";
  if (facts.allowance < amount) return "allowance_lowered";
  return "window_ended";
}
