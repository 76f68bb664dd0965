import { readAllowance } from "#chain/chainFacts.ts";
import { OpgAdapter } from "#chain/opg.ts";
import { CallReverted } from "#chain/submitCall.ts";
import { OpgError } from "#protocol/errors.ts";
import type { AllowancePermit } from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import type { Dependencies } from "./dependencies.ts";

/** Merchants' tokens may be anybody's contracts. A plain permit needs less than 80,000; more than this we do not pay for. */
const MAX_PERMIT_GAS = 300_000n;

/**
 * Submits a payer's EIP-2612 permit, which was checked, where Permit2 may not move enough yet. Anybody may have submitted
 * it before: the allowance counts, not our transaction. May be called again at any time.
 *
 * @param subject - the task or the payment that needs it
 * @param need - atomic units
 * @throws OpgError `permit2_allowance_required` when the allowance is still too low, `chain_unavailable`
 */
export async function sponsorAllowance(
  { provider, outbox, logger }: Pick<Dependencies, "provider" | "outbox" | "logger">,
  subject: string,
  permit: AllowancePermit,
  need: bigint,
): Promise<void> {
  const { from, asset, amount, deadline, signature } = permit;
  if ((await readAllowance(provider, asset, from)) >= need) return;
  const permitting = new OpgAdapter(asset, provider).populatePermit(from, PERMIT2, amount, deadline, signature);
  try {
    const { ended } = await outbox.send(subject, "approve", { ...permitting, gasLimit: MAX_PERMIT_GAS });
    await ended;
  } catch (error) {
    if (!(error instanceof CallReverted)) throw error;
    logger.info({ subject, reason: error.revert?.words }, "the token refuses a permit");
  }
  const have = await readAllowance(provider, asset, from);
  if (have >= need) return;
  throw new OpgError(
    "permit2_allowance_required",
    `The EIP-2612 permit took no effect; Permit2 may move ${have} atomic units of ${asset} for ${from} and needs ${need}; approve ${PERMIT2} on it once.`,
    { have, need, permit2: PERMIT2, token: asset },
  );
}
