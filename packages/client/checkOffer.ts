import type { PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { ZeroAddress } from "ethers";
import { OpgError } from "../protocol/errors.ts";
import { caip2, type Network } from "../protocol/network.ts";
import { type TaskRequirements, taskRequirementsJson } from "../protocol/payment.ts";
import { policies, type Task } from "../protocol/task.ts";

/** How far the gateway's clock may be ahead of the client's. */
const CLOCK_SKEW_SECONDS = 60;

/** What the client knows by itself about the payment that it is about to sign. */
export interface ExpectedOffer {
  network: Network;
  /** The entry that is to be paid. */
  scheme: string;
  payer: string;
  /** Who is to release the task; any of the network's where left out. */
  facilitator?: string;
  nonce: bigint;
  salt: string;
  /** versionId of the model. */
  model: string;
  /** Salted digest of the inputs, computed here. */
  request: string;
  nowSeconds: number;
}

/** An offer that was found to be what was asked for. */
export interface Offer {
  /** As the gateway sent it, for `accepted`. */
  requirements: PaymentRequirements;
  task: Task;
  settleWindowSeconds: number;
  timeoutSeconds: number;
}

/**
 * Checks an offer before anything is signed: everything but node, price and deadline is known beforehand. The price is
 * for the payer's limits to judge.
 *
 * @throws OpgError `invalid_offer` naming the field that is not as asked
 */
export function checkOffer(required: PaymentRequired, expected: ExpectedOffer): Offer {
  const { requirements, terms } = readTerms(required, expected.scheme);
  const { network } = expected;
  const { task, salt, facilitator, settleWindowSeconds } = terms.extra;
  requireEqual("facilitator", facilitator, expected.facilitator ?? facilitator);
  requireEqual("salt", salt, expected.salt);
  requireEqual("task.payer", task.payer, expected.payer);
  requireEqual("task.nonce", task.nonce, expected.nonce);
  requireEqual("task.model", task.model, expected.model);
  requireEqual("task.request", task.request, expected.request);
  checkTaskTerms(terms, network, expected.nowSeconds);
  return { requirements, task, settleWindowSeconds, timeoutSeconds: terms.maxTimeoutSeconds };
}

/**
 * Checks what a task payment must be on this network, whatever it is for.
 *
 * @throws OpgError `invalid_offer` naming the field
 */
export function checkTaskTerms(terms: TaskRequirements, network: Network, nowSeconds: number): void {
  const { task, facilitator, settleWindowSeconds } = terms.extra;
  requireEqual("network", terms.network, caip2(network));
  requireEqual("asset", terms.asset, network.contracts.opg);
  requireEqual("payTo", terms.payTo, network.contracts.taskEscrow);
  requireEqual(
    "facilitator",
    network.facilitators.some(({ address }) => address === facilitator),
    true,
  );
  requireEqual("settleWindowSeconds", settleWindowSeconds, network.parameters.settleWindowSeconds);
  requireEqual("task.policy", task.policy, policies.reExecution);
  requireEqual("task.maxAmount", task.maxAmount, terms.amount);
  requireEqual("task.node", task.node === ZeroAddress, false);
  const latest = nowSeconds + network.parameters.maxTaskSeconds + CLOCK_SKEW_SECONDS;
  if (task.deadline <= nowSeconds || task.deadline > latest) throw invalidOffer("task.deadline");
}

function readTerms(
  required: PaymentRequired,
  wanted: string,
): { requirements: PaymentRequirements; terms: TaskRequirements } {
  requireEqual("x402Version", required.x402Version, 2);
  const requirements = Array.isArray(required.accepts)
    ? required.accepts.find(({ scheme }) => scheme === wanted)
    : undefined;
  if (!requirements) throw invalidOffer("scheme");
  const parsed = taskRequirementsJson.safeParse(requirements);
  if (!parsed.success) throw invalidOffer(parsed.error.issues[0]?.path.join(".") ?? "accepts");
  return { requirements, terms: parsed.data };
}

function requireEqual<Value>(field: string, offered: Value, expected: Value): void {
  if (offered !== expected) throw invalidOffer(field);
}

function invalidOffer(field: string): OpgError {
  const message = `The gateway's offer is not what was asked for ("${field}"); nothing was signed, use another gateway.`;
  return new OpgError("invalid_offer", message, { field });
}
