import type { PaymentPayload } from "@x402/core/types";
import { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import {
  TASK_SCHEME,
  type TaskPayload,
  taskPayloadJson,
  type TaskRequirements,
  taskRequirementsJson,
} from "#protocol/payment.ts";

/** What decides how the rest is read. */
const envelopeJson = z.looseObject({
  x402Version: z.number(),
  accepted: z.looseObject({ scheme: z.string(), network: z.string() }),
  payload: z.record(z.string(), z.unknown()),
});

/** A payment of scheme `task` as it was sent, read but not checked. */
export interface SentPayment {
  /** As it came, for the facilitator. */
  payload: PaymentPayload;
  accepted: TaskRequirements;
  signature: string;
  authorization: TaskPayload["permit2Authorization"];
}

/**
 * Reads the header PAYMENT-SIGNATURE strictly: standard base64 of a JSON object in UTF-8, every field known and in range.
 *
 * @param network - CAIP-2 name of the only network paid on
 * @throws OpgError `invalid_payment_header`, `invalid_x402_version`, `unsupported_scheme`, `invalid_network`
 */
export function readPayment(header: string, network: string): SentPayment {
  const content = decode(header);
  const envelope = read(envelopeJson, content, "");
  if (envelope.x402Version !== 2) {
    throw new OpgError(
      "invalid_x402_version",
      `x402 version ${envelope.x402Version} is not spoken here; send version 2.`,
    );
  }
  if (envelope.accepted.scheme !== TASK_SCHEME) {
    throw new OpgError("unsupported_scheme", `This scheme is not taken here; pay with scheme "${TASK_SCHEME}".`, {
      need: TASK_SCHEME,
    });
  }
  if (envelope.accepted.network !== network) {
    throw new OpgError("invalid_network", `The payment is for another network; pay on ${network}.`, { need: network });
  }
  const accepted = read(taskRequirementsJson, envelope.accepted, "accepted.");
  const { signature, permit2Authorization } = read(taskPayloadJson, envelope.payload, "payload.");
  return { payload: content as PaymentPayload, accepted, signature, authorization: permit2Authorization };
}

function decode(header: string): unknown {
  const bytes = Buffer.from(header, "base64");
  if (bytes.length === 0 || bytes.toString("base64") !== header) throw unreadable("is not base64");
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw unreadable("holds no JSON");
  }
}

function read<Schema extends z.ZodType>(schema: Schema, content: unknown, prefix: string): z.output<Schema> {
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = `${prefix}${issue?.path.join(".") ?? ""}`;
  throw unreadable(`is wrong at "${field}" (${issue?.message ?? "unreadable"})`, field);
}

function unreadable(problem: string, field?: string): OpgError {
  return new OpgError(
    "invalid_payment_header",
    `PAYMENT-SIGNATURE ${problem}; send the base64 of an x402 PaymentPayload.`,
    { field },
  );
}
