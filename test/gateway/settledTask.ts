import { type InferAnswer, inferAnswerJson } from "#protocol/inferAnswer.ts";
import { type Trail, trailJson } from "#protocol/settlement.ts";
import type { GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, payFor, someRequest } from "./paidRequest.ts";

/** Has one request paid, run and settled. */
export async function settleOne(fixture: GatewayFixture): Promise<InferAnswer> {
  const response = await infer(fixture, someRequest(fixture), await payFor(fixture, await askOffer(fixture)));
  return inferAnswerJson.parse(await response.json());
}

/** Reads a trail as strictly as other tools may. */
export function parseTrail(content: unknown): Trail {
  return trailJson.parse(content);
}
