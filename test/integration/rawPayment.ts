import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentRequirements } from "@x402/core/types";
import { OpgError } from "#protocol/errors.ts";
import { type BaseWallet, randomBytes, toBigInt } from "ethers";
import {
  authorizationOf,
  authorizationToJson,
  paymentTypedData,
  type TaskAuthorization,
  taskExtraJson,
} from "#protocol/payment.ts";
import type { InferRequestJson } from "#protocol/request.ts";
import type { Task } from "#protocol/task.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import type { Journey } from "./journeyNetwork.ts";

/** An offer of the gateway, taken apart, and the body that it answers. */
export interface Offered {
  body: InferRequestJson & { salt: string };
  requirements: PaymentRequirements;
  task: Task;
  authorization: TaskAuthorization;
  chainId: bigint;
}

/** What the gateway answered. */
export interface RawAnswer {
  status: number;
  content: unknown;
}

/** Asks for a 402 by hand, without the client and its checks. */
export async function askOffer(journey: Journey, change: Partial<InferRequestJson> = {}): Promise<Offered> {
  const { network } = journey.local;
  const asked: InferRequestJson = {
    model: journey.versionId,
    inputs: tensorsToJson(journey.inputs),
    payer: journey.payer.address,
    nonce: toBigInt(randomBytes(32)).toString(),
    ...change,
  };
  const response = await fetch(`${network.gateway}/v1/infer`, jsonPost(asked));
  const { accepts } = decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
  const [requirements] = accepts;
  if (!requirements) throw new Error("the 402 offers nothing");
  const { task, salt, settleWindowSeconds } = taskExtraJson.parse(requirements.extra);
  const terms = { token: requirements.asset, taskEscrow: requirements.payTo, settleWindowSeconds };
  return {
    body: { ...asked, salt },
    requirements,
    task,
    authorization: authorizationOf(task, terms),
    chainId: BigInt(network.chainId),
  };
}

/** A payment header over the offer's authorization; parts of it can be replaced. */
export async function signedHeader(
  { requirements, authorization, chainId }: Offered,
  signer: Pick<BaseWallet, "signTypedData">,
  change: { signature?: string; accepted?: PaymentRequirements } = {},
): Promise<string> {
  const { domain, types, value } = paymentTypedData(authorization, chainId);
  const signature = change.signature ?? (await signer.signTypedData(domain, types, value));
  const payload = { signature, permit2Authorization: authorizationToJson(authorization) };
  return encodePaymentSignatureHeader({ x402Version: 2, accepted: change.accepted ?? requirements, payload });
}

/** Sends a request with a payment header, as it is. */
export async function payWith(journey: Journey, body: unknown, header: string): Promise<RawAnswer> {
  const response = await fetch(
    `${journey.local.network.gateway}/v1/infer`,
    jsonPost(body, { "payment-signature": header }),
  );
  return { status: response.status, content: await response.json() };
}

function jsonPost(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}

/** Code of an error answer. */
export function codeOf(content: unknown): string | undefined {
  return OpgError.fromBody(content)?.code;
}
