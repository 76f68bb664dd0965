import { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import { claimedRequirementsJson, taskPayloadJson } from "#protocol/payment.ts";
import type { PaymentEnvelope } from "./checks/checkEnvelope.ts";
import type { TaskPayment } from "./checks/payment.ts";

const named = z.looseObject({ scheme: z.string().max(100), network: z.string().max(100) });

/** Body of `POST /tasks`, as far as every scheme has it. */
export const paymentBodyJson = z.looseObject({
  x402Version: z.number(),
  paymentPayload: z.looseObject({ x402Version: z.number(), accepted: named, payload: z.unknown() }),
  paymentRequirements: named,
});

export type PaymentBody = z.output<typeof paymentBodyJson>;

/** What is to be checked before the payload can be read. */
export function envelopeOf({ x402Version, paymentPayload, paymentRequirements }: PaymentBody): PaymentEnvelope {
  const { accepted } = paymentPayload;
  return {
    x402Version: x402Version === 2 ? paymentPayload.x402Version : x402Version,
    schemes: [paymentRequirements.scheme, accepted.scheme],
    networks: [paymentRequirements.network, accepted.network],
  };
}

/** Reads a payment of scheme `task`. @throws OpgError `invalid_body` naming the field */
export function readPayment({ paymentPayload, paymentRequirements }: PaymentBody): TaskPayment {
  const payload = readPart("paymentPayload.payload", taskPayloadJson, paymentPayload.payload);
  const requirements = readPart("paymentRequirements", claimedRequirementsJson, paymentRequirements);
  return { signature: payload.signature, authorization: payload.permit2Authorization, requirements };
}

function readPart<Schema extends z.ZodType>(name: string, schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = [name, ...(issue?.path ?? [])].join(".");
  throw new OpgError("invalid_body", `"${field}" is wrong: ${issue?.message ?? "unreadable"}.`, { field });
}
