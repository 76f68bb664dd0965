import { z } from "zod";
import { allowancePermitIn } from "#protocol/gasSponsoring.ts";
import { claimedRequirementsJson, paymentDigestOf, taskPayloadJson } from "#protocol/payment.ts";
import { paymentIdentifierIn } from "#protocol/paymentIdentifier.ts";
import { proxyPayloadJson, proxyPaymentDigest } from "#protocol/proxyPayment.ts";
import { taskJson } from "#protocol/task.ts";
import type { PaymentEnvelope } from "./checks/checkEnvelope.ts";
import type { TaskPayment } from "./checks/payment.ts";
import { readPart } from "./readPart.ts";
import { fastKeccak } from "#service/fastKeccak.ts";

const named = z.looseObject({ scheme: z.string().max(100), network: z.string().max(100) });

/** Stored as it is, and PostgreSQL keeps no NUL. */
const resourceUrl = z
  .string()
  .max(2_000)
  .regex(/^\P{Cc}*$/u, "no control characters");

/** Body of `POST /tasks`, as far as every scheme has it. */
export const paymentBodyJson = z.looseObject({
  x402Version: z.number(),
  paymentPayload: z.looseObject({
    x402Version: z.number(),
    accepted: named,
    payload: z.unknown(),
    extensions: z.unknown().optional(),
    resource: z.looseObject({ url: resourceUrl.optional() }).optional(),
  }),
  paymentRequirements: named,
  /** Only with scheme `upto`: what the gateway would have computed. */
  task: z.unknown().optional(),
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

const uptoRequirementsJson = claimedRequirementsJson.pick({ network: true, amount: true, asset: true, payTo: true });

/** Reads a payment for a task whose envelope passed. @throws OpgError `invalid_body` naming the field */
export function readPayment({ paymentPayload, paymentRequirements, task }: PaymentBody, chainId: bigint): TaskPayment {
  const { payload, extensions } = paymentPayload;
  const claimed = { identifier: paymentIdentifierIn(extensions) ?? null, permit: allowancePermitIn(extensions) };
  if (paymentRequirements.scheme === "task") {
    const { signature, permit2Authorization } = readPart("paymentPayload.payload", taskPayloadJson, payload);
    return {
      ...{ ...claimed, scheme: "task", signature, authorization: permit2Authorization },
      digest: paymentDigestOf(permit2Authorization, chainId, fastKeccak),
      task: permit2Authorization.witness,
      requirements: readPart("paymentRequirements", claimedRequirementsJson, paymentRequirements),
    };
  }
  const read = readPart("paymentPayload.payload", proxyPayloadJson.upto, payload);
  const requirements = readPart("paymentRequirements", uptoRequirementsJson, paymentRequirements);
  const { signature, permit2Authorization } = read;
  const digest = proxyPaymentDigest("upto", permit2Authorization, chainId, fastKeccak);
  return {
    ...{ ...claimed, scheme: "upto", signature, digest, authorization: permit2Authorization, requirements },
    task: readPart("task", taskJson, task),
    proxy: { ...read, ...claimed, scheme: "upto", digest, requirements },
  };
}
