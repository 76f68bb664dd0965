import type { PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { ZeroAddress } from "ethers";
import { OpgError } from "../protocol/errors.ts";
import { caip2, type Network } from "../protocol/network.ts";
import {
  authorizationOf,
  TASK_SCHEME,
  type TaskAuthorization,
  type TaskRequirements,
  taskRequirementsJson,
} from "../protocol/payment.ts";
import { policies, type Task } from "../protocol/task.ts";

/** How far the gateway's clock may be ahead of the client's. */
const CLOCK_SKEW_SECONDS = 60;

/** What the client knows by itself about the payment that it is about to sign. */
export interface ExpectedOffer {
  network: Network;
  payer: string;
  nonce: bigint;
  salt: string;
  /** versionId of the model. */
  model: string;
  /** Salted digest of the inputs, computed here. */
  request: string;
  /** Ceiling for one call in atomic units; `undefined` for none. */
  maxAmount: bigint | undefined;
  nowSeconds: number;
}

/** An offer that was found to be what was asked for. */
export interface Offer {
  /** As the gateway sent it, for `accepted`. */
  requirements: PaymentRequirements;
  task: Task;
  authorization: TaskAuthorization;
  timeoutSeconds: number;
}

/**
 * Checks an offer before anything is signed: everything but node, price and deadline is known beforehand, and those are
 * bounded.
 *
 * @throws OpgError `invalid_offer` naming the field that is not as asked, `price_above_maximum`
 */
export function checkOffer(required: PaymentRequired, expected: ExpectedOffer): Offer {
  const { requirements, terms } = readTerms(required);
  const { network } = expected;
  const { task, salt, facilitator, settleWindowSeconds } = terms.extra;
  requireEqual("network", terms.network, caip2(network));
  requireEqual("asset", terms.asset, network.contracts.opg);
  requireEqual("payTo", terms.payTo, network.contracts.taskEscrow);
  requireEqual(
    "facilitator",
    network.facilitators.some(({ address }) => address === facilitator),
    true,
  );
  requireEqual("settleWindowSeconds", settleWindowSeconds, network.parameters.settleWindowSeconds);
  requireEqual("salt", salt, expected.salt);
  checkTask(task, terms.amount, expected);
  const { opg, taskEscrow } = network.contracts;
  const authorization = authorizationOf(task, { token: opg, taskEscrow, settleWindowSeconds });
  return { requirements, task, authorization, timeoutSeconds: terms.maxTimeoutSeconds };
}

function readTerms(required: PaymentRequired): { requirements: PaymentRequirements; terms: TaskRequirements } {
  requireEqual("x402Version", required.x402Version, 2);
  const requirements = Array.isArray(required.accepts)
    ? required.accepts.find(({ scheme }) => scheme === TASK_SCHEME)
    : undefined;
  if (!requirements) throw invalidOffer("scheme");
  const parsed = taskRequirementsJson.safeParse(requirements);
  if (!parsed.success) throw invalidOffer(parsed.error.issues[0]?.path.join(".") ?? "accepts");
  return { requirements, terms: parsed.data };
}

function checkTask(task: Task, amount: bigint, expected: ExpectedOffer): void {
  requireEqual("task.payer", task.payer, expected.payer);
  requireEqual("task.nonce", task.nonce, expected.nonce);
  requireEqual("task.model", task.model, expected.model);
  requireEqual("task.request", task.request, expected.request);
  requireEqual("task.policy", task.policy, policies.reExecution);
  requireEqual("task.maxAmount", task.maxAmount, amount);
  requireEqual("task.node", task.node === ZeroAddress, false);
  const latest = expected.nowSeconds + expected.network.parameters.maxTaskSeconds + CLOCK_SKEW_SECONDS;
  if (task.deadline <= expected.nowSeconds || task.deadline > latest) throw invalidOffer("task.deadline");
  const { maxAmount } = expected;
  if (maxAmount === undefined || amount <= maxAmount) return;
  const message = `The gateway asks for up to ${amount} atomic units, more than the ${maxAmount} that you allow per call; nothing was signed, raise maxAmount or send less.`;
  throw new OpgError("price_above_maximum", message, { amount, maxAmount });
}

function requireEqual<Value>(field: string, offered: Value, expected: Value): void {
  if (offered !== expected) throw invalidOffer(field);
}

function invalidOffer(field: string): OpgError {
  const message = `The gateway's offer is not what was asked for ("${field}"); nothing was signed, use another gateway.`;
  return new OpgError("invalid_offer", message, { field });
}
