import type { PaymentRequirements } from "@x402/core/types";
import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import { address, uint } from "../protocol/hex.ts";
import { caip2, type Network } from "../protocol/network.ts";
import { TASK_SCHEME, taskRequirementsJson } from "../protocol/payment.ts";
import type { ProxyScheme } from "../protocol/proxyPayment.ts";
import type { Task } from "../protocol/task.ts";
import { checkTaskTerms } from "./checkOffer.ts";

/** A signature that stays good for longer than this is not given. */
const MAX_TIMEOUT_SECONDS = 86_400;

/** How a payment of an offer is signed. */
export type Method =
  /** OPG's own: a task as Permit2's witness. */
  | { kind: "task"; task: Task; settleWindowSeconds: number }
  /** x402's `exact` or `upto` by way of Permit2. */
  | { kind: "proxy"; scheme: ProxyScheme; facilitator?: string }
  /** x402's `exact` by the token's own `transferWithAuthorization` (ERC-3009). */
  | { kind: "transfer"; name: string; version: string };

/** An entry of an offer that this client knows how to pay. */
export interface OfferedPayment {
  /** As it was sent, for `accepted`. */
  requirements: PaymentRequirements;
  asset: string;
  payTo: string;
  /** All that can be taken, atomic units. */
  amount: bigint;
  timeoutSeconds: number;
  method: Method;
}

const termsJson = z.object({
  scheme: z.string(),
  network: z.string(),
  amount: uint(256),
  asset: address,
  payTo: address,
  maxTimeoutSeconds: z.int().min(1).max(MAX_TIMEOUT_SECONDS),
  extra: z.record(z.string(), z.unknown()).default({}),
});
type Terms = z.output<typeof termsJson>;

const domainJson = z.object({ name: z.string().min(1), version: z.string().min(1) });

/**
 * Reads an entry of an offer, and holds it to the network where it pays into the network's own contracts.
 *
 * @returns what to sign; or in a few words why this client cannot
 */
export function readEntry(
  requirements: PaymentRequirements,
  network: Network,
  nowSeconds: number,
): OfferedPayment | string {
  if (requirements.network !== caip2(network)) return `on another chain (${short(requirements.network)})`;
  const parsed = termsJson.safeParse(requirements);
  if (!parsed.success) return `its "${parsed.error.issues[0]?.path.join(".") ?? ""}" is wrong`;
  const terms = parsed.data;
  const method = readMethod(requirements, terms, network, nowSeconds);
  if (typeof method === "string") return method;
  const { asset, payTo, amount, maxTimeoutSeconds } = terms;
  return { requirements, asset, payTo, amount, timeoutSeconds: maxTimeoutSeconds, method };
}

function readMethod(
  requirements: PaymentRequirements,
  terms: Terms,
  network: Network,
  nowSeconds: number,
): Method | string {
  switch (terms.scheme) {
    case TASK_SCHEME:
      return readTask(requirements, network, nowSeconds);
    case "upto":
      return readUpto(terms, network);
    case "exact":
      return readExact(terms, network);
    default:
      return `of unknown scheme (${short(terms.scheme)})`;
  }
}

function readTask(requirements: PaymentRequirements, network: Network, nowSeconds: number): Method | string {
  const parsed = taskRequirementsJson.safeParse(requirements);
  if (!parsed.success) return `its "${parsed.error.issues[0]?.path.join(".") ?? ""}" is wrong`;
  try {
    checkTaskTerms(parsed.data, network, nowSeconds);
  } catch (error) {
    if (error instanceof OpgError) return `its "${String(error.values["field"])}" is not the network's`;
    throw error;
  }
  const { task, settleWindowSeconds } = parsed.data.extra;
  return { kind: "task", task, settleWindowSeconds };
}

/** Money that goes to TaskEscrow is safe only with a facilitator's entry of this network. */
function readUpto({ payTo, extra }: Terms, { contracts, facilitators }: Network): Method | string {
  const facilitator = address.safeParse(extra["facilitatorAddress"]);
  if (!facilitator.success) return 'its "extra.facilitatorAddress" is wrong';
  if (payTo === contracts.taskEscrow && !facilitators.some(({ entry }) => entry === facilitator.data)) {
    return 'its "extra.facilitatorAddress" is not the network\'s';
  }
  return { kind: "proxy", scheme: "upto", facilitator: facilitator.data };
}

/** Nobody could book a plain transfer to TaskEscrow for a task. */
function readExact({ payTo, extra }: Terms, { contracts }: Network): Method | string {
  if (payTo === contracts.taskEscrow) return "it would lose the money in TaskEscrow";
  const transferMethod = extra["assetTransferMethod"] ?? "eip3009";
  if (transferMethod === "permit2") return { kind: "proxy", scheme: "exact" };
  if (transferMethod !== "eip3009") return `of unknown transfer method (${short(JSON.stringify(transferMethod))})`;
  const domain = domainJson.safeParse(extra);
  return domain.success ? { kind: "transfer", ...domain.data } : "without the token's name and version";
}

/** What a server sends is shown to people only in part. */
function short(text: string): string {
  return text.replace(/[^\w:./ -]/g, "?").slice(0, 40);
}
