import { hexlify } from "ethers";
import { checkReceipt, type PaidRequest } from "../protocol/checkReceipt.ts";
import type { InferAnswer } from "../protocol/inferAnswer.ts";
import type { ModelListing } from "../protocol/model.ts";
import { requestDigest } from "../protocol/request.ts";
import { stepsAsked, stepsOf } from "../protocol/steps.ts";
import {
  type NamedTensors,
  type Tensor,
  tensorFromJson,
  type TensorJson,
  tensorsDigest,
  tensorsFromJson,
} from "../protocol/tensors.ts";
import type { Inference } from "./createClient.ts";
import { checkListing } from "./checkListing.ts";
import { IncompleteAnswerError } from "./incompleteAnswer.ts";
import { newIdentifier } from "./identifierExtension.ts";
import { AccountPurse } from "./accountPurse.ts";
import { type AskedInference, type Means, payForRequest } from "./payForRequest.ts";
import type { Payer } from "./payer.ts";
import type { PaymentReceipt } from "./paymentReceipt.ts";
import type { SignedTask } from "./purse.ts";
import { Expenditure } from "./spending.ts";
import { WalletPurse } from "./walletPurse.ts";

const SALT_BYTES = 32;

/** What is to be run. */
export interface WantedInference {
  /** The gateway's route. */
  url: string;
  /** What the gateway says of the model. */
  listing: ModelListing;
  /** As it was asked for. */
  model: string;
  inputs: Readonly<Record<string, Tensor | TensorJson>>;
}

/** A purchase that is about to be made. */
export interface Purchase extends Means {
  asked: AskedInference;
  listing: ModelListing;
}

/** Pays for one inference and checks everything that comes back. */
export async function buyInference(payer: Payer, wanted: WantedInference): Promise<Inference> {
  const purchase = await openPurchase(payer, wanted);
  const { answer, signed } = await payForRequest(payer, purchase.asked, purchase);
  return receive(payer, purchase, signed, answer);
}

/** Names and salts a request; nothing of it is counted yet. */
export async function openPurchase(payer: Payer, wanted: WantedInference): Promise<Purchase> {
  const { url, listing, model } = wanted;
  const { network } = payer;
  checkListing(listing, model);
  const inputs = readInputs(wanted.inputs);
  const salt = hexlify(payer.randomBytes(SALT_BYTES));
  const request = requestDigest(salt, listing.versionId, tensorsDigest(namesOf(listing.inputs), inputs));
  const id = newIdentifier(payer.randomBytes);
  const purse = payer.prefunded ? new AccountPurse(payer, payer.prefunded, id) : new WalletPurse(payer);
  const nonce = await payer.nonces.next(purse.account);
  const asked: AskedInference = { url, model: listing.versionId, inputs, salt, request, nonce, id };
  const asset = network.contracts.opg;
  const expense = { account: purse.account, asset, host: new URL(url).host };
  return { asked, listing, purse, expenditure: new Expenditure(payer, expense, payer.assets.get(asset) ?? {}) };
}

/** What the answer to a purchase is checked with. */
export function paidRequestOf(
  { network }: Payer,
  { asked: { salt, inputs }, listing }: Purchase,
  { task, paymentDigest, payout }: SignedTask,
): PaidRequest {
  return { network, listing, salt, inputs, task, paymentDigest, payout };
}

/**
 * Checks the answer to a purchase, and counts what it cost.
 *
 * @throws OpgError `invalid_receipt`; `answer_incomplete` for fewer steps than the inputs have
 */
export async function receive(
  payer: Payer,
  purchase: Purchase,
  signed: SignedTask,
  answer: InferAnswer,
): Promise<Inference> {
  const { asked, listing } = purchase;
  const outputs = tensorsFromJson(answer.outputs);
  checkReceipt(answer, outputs, paidRequestOf(payer, purchase, signed));
  const { taskId, receipt } = answer;
  await endAt(purchase, receipt.result.amount);
  const settlement = { transaction: receipt.transaction ?? "", amount: receipt.result.amount };
  const payment = paymentOf(payer, purchase, signed);
  await payer.state.replace({ ...payment, state: "answered", settlement, task: receipt });
  const inference = { taskId, outputs, receipt };
  if (!listing.streams) return inference;
  const steps = stepsOf(outputs);
  const whole = stepsAsked(listing.inputs, asked.inputs) ?? steps;
  if (steps === whole) return { ...inference, steps };
  throw new IncompleteAnswerError({ ...inference, steps }, whole);
}

/** Counts what a purchase cost; under a certificate nobody can take more. */
export async function endAt({ expenditure, purse }: Means, charge: bigint): Promise<void> {
  await expenditure.lowerTo(charge);
  await purse.end(charge);
}

/** What is kept of a payment that was signed and has no answer yet. */
export function paymentOf(
  { network, clock }: Payer,
  { asked: { id, url, request }, purse: { account, scheme } }: Purchase,
  { task, expiresAt }: SignedTask,
): PaymentReceipt {
  const { opg: asset, taskEscrow: payTo } = network.contracts;
  return {
    ...{ id, url, request, account, scheme, asset, payTo, amount: task.maxAmount, createdAt: clock() },
    ...{ expiresAt, header: "", state: "sent", reason: null, settlement: null, task: null },
    settlementUrl: null,
  };
}

function namesOf(specs: ModelListing["inputs"]): string[] {
  return specs.map(({ name }) => name);
}

function readInputs(given: WantedInference["inputs"]): NamedTensors {
  return Object.fromEntries(
    Object.entries(given).map(([name, tensor]) => [name, isTensor(tensor) ? tensor : tensorFromJson(name, tensor)]),
  );
}

function isTensor(tensor: Tensor | TensorJson): tensor is Tensor {
  return tensor.data instanceof Uint8Array;
}
