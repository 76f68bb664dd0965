import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { authorizationOf, authorizationToJson, paymentTypedData, taskRequirementsJson } from "#protocol/payment.ts";
import type { InferRequestJson } from "#protocol/request.ts";
import type { Task } from "#protocol/task.ts";
import { sign } from "#test/contracts/fixture.ts";
import { someInputs } from "./doublingModel.ts";
import type { GatewayFixture } from "./gatewayFixture.ts";

/** A request as most tests send it. */
export function someRequest({ wallets }: GatewayFixture, changes: Partial<InferRequestJson> = {}): InferRequestJson {
  return { model: "doubling", inputs: someInputs, payer: wallets.payer.address, nonce: "0", ...changes };
}

/** Sends a body to `POST /v1/infer`, with a payment where one is given. */
export async function infer({ app }: Pick<GatewayFixture, "app">, body: unknown, header?: string): Promise<Response> {
  return app.request("/v1/infer", {
    method: "POST",
    headers: { "content-type": "application/json", ...(header === undefined ? {} : { "payment-signature": header }) },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** The offer in a 402. */
export function offerIn(response: Response): PaymentRequired {
  return decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
}

/** Asks for an offer. */
export async function askOffer(
  fixture: GatewayFixture,
  body: InferRequestJson = someRequest(fixture),
): Promise<PaymentRequired> {
  return offerIn(await infer(fixture, body));
}

/** Changes a payment before it is encoded. */
export type Alter = (payload: PaymentPayload) => void;

/** Signs an offer as the fixture's payer; `change` alters the signed task, `alter` what is sent with it. */
export async function payFor(
  { wallets, network }: GatewayFixture,
  required: PaymentRequired,
  { change = {}, alter = () => undefined }: { change?: Partial<Task>; alter?: Alter } = {},
): Promise<string> {
  const [accepted] = structuredClone(required.accepts);
  if (!accepted) throw new Error("an offer has one entry");
  const task = { ...taskRequirementsJson.parse(accepted).extra.task, ...change };
  const { opg, taskEscrow } = network.contracts;
  const { settleWindowSeconds } = network.parameters;
  const authorization = authorizationOf(task, { token: opg, taskEscrow, settleWindowSeconds });
  const signature = await sign(wallets.payer, paymentTypedData(authorization, BigInt(network.chainId)));
  const permit2Authorization = authorizationToJson(authorization);
  const payload: PaymentPayload = { x402Version: 2, accepted, payload: { signature, permit2Authorization } };
  alter(payload);
  return encodePaymentSignatureHeader(payload);
}
