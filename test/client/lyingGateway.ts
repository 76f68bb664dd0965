import { decodePaymentRequiredHeader, encodePaymentRequiredHeader } from "@x402/core/http";
import type { PaymentRequired } from "@x402/core/types";
import type { Fetch } from "#client/index.ts";
import type { InferAnswerJson } from "#protocol/inferAnswer.ts";
import type { ModelListingJson } from "#protocol/model.ts";
import type { TaskJson } from "#protocol/task.ts";
import type { GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { fetchFrom } from "./payingClient.ts";

/** What a gateway may lie about. */
export interface Lies {
  listing?: (listing: ModelListingJson) => void;
  offer?: (accepted: PaymentRequired["accepts"][number], task: TaskJson) => void;
  answer?: (answer: InferAnswerJson) => void;
}

/** The fixture's gateway, with lies told on the way to the client. */
export function lyingGateway(fixture: GatewayFixture, lies: Lies): Fetch {
  const honest = fetchFrom(fixture);
  return async (url, init) => {
    const response = await honest(url, init);
    const content = (await response.json()) as never;
    if (response.status === 402) return Response.json(content, { status: 402, headers: lyingOffer(response, lies) });
    if (response.status === 200 && url.includes("/v1/models/")) lies.listing?.(content);
    if (response.status === 200 && url.endsWith("/v1/infer")) lies.answer?.(content);
    return Response.json(content, { status: response.status });
  };
}

function lyingOffer(response: Response, lies: Lies): Record<string, string> {
  const required = decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
  const offered = required.accepts.filter(({ extra }) => extra["task"] !== undefined);
  for (const accepted of offered) lies.offer?.(accepted, accepted.extra["task"] as TaskJson);
  return { "payment-required": encodePaymentRequiredHeader(required) };
}
