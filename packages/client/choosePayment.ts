import type { PaymentRequired } from "@x402/core/types";
import { OpgError } from "../protocol/errors.ts";
import type { Network } from "../protocol/network.ts";
import { type OfferedPayment, readEntry } from "./offeredPayment.ts";
import type { SpendingLimits } from "./spending.ts";

/** By checksummed address, in the order in which tokens are preferred: what may be spent of each. */
export type AllowedAssets = ReadonlyMap<string, SpendingLimits>;

/** Best first where the amount is the same: binds the request, takes no more than was used, takes all. */
const schemeOrder = ["task", "upto", "exact"];

/**
 * The entries of an offer that may be paid, best first: by the order of the tokens allowed, then by amount, then by what
 * the signature binds.
 *
 * @throws OpgError `asset_not_allowed`, `price_above_maximum` where that is all that stands in the way;
 * `unpayable_offer` saying why for each entry
 */
export function choosePayments(
  { accepts }: PaymentRequired,
  terms: { network: Network; assets: AllowedAssets; nowSeconds: number },
): OfferedPayment[] {
  const { network, assets, nowSeconds } = terms;
  const read = accepts.map((requirements) => readEntry(requirements, network, nowSeconds));
  const known = read.filter((entry) => typeof entry !== "string");
  if (known.length === 0) throw unpayable(read.map(String));
  const allowed = known.filter(({ asset }) => assets.get(asset)?.maxAmount !== undefined);
  if (allowed.length === 0) throw notAllowed(known, assets);
  const affordable = allowed.filter(({ asset, amount }) => amount <= (assets.get(asset)?.maxAmount ?? 0n));
  if (affordable.length === 0) throw tooDear(allowed, assets);
  const preference = [...assets.keys()];
  return affordable.sort(
    (a, b) =>
      preference.indexOf(a.asset) - preference.indexOf(b.asset) ||
      Number(a.amount > b.amount) - Number(a.amount < b.amount) ||
      schemeOrder.indexOf(a.requirements.scheme) - schemeOrder.indexOf(b.requirements.scheme),
  );
}

function unpayable(problems: string[]): OpgError {
  const why = problems.length === 0 ? "it is empty" : [...new Set(problems)].join("; ");
  const message = `The server's offer cannot be paid by this client: ${why}. Nothing was signed; ask the provider for scheme exact or upto on the client's chain.`;
  return new OpgError("unpayable_offer", message, { why });
}

function notAllowed(known: readonly OfferedPayment[], assets: AllowedAssets): OpgError {
  const [{ asset, amount }] = known as [OfferedPayment];
  const message = assets.has(asset)
    ? `The server asks for ${amount} atomic units of ${asset}, and the client has no maxAmount for that token; nothing was signed, set it to the most that one call may cost.`
    : `The server asks for the token ${asset}, which this client may not pay with; nothing was signed. If you trust it, add it to allowedAssets with a maxAmount.`;
  return new OpgError("asset_not_allowed", message, { asset, amount });
}

function tooDear(allowed: readonly OfferedPayment[], assets: AllowedAssets): OpgError {
  const [{ asset, amount }] = allowed as [OfferedPayment];
  const maxAmount = assets.get(asset)?.maxAmount ?? 0n;
  const message = `The server asks for up to ${amount} atomic units of ${asset}, more than the ${maxAmount} that you allow per call; nothing was signed, raise maxAmount or send less.`;
  return new OpgError("price_above_maximum", message, { amount, maxAmount, asset });
}
