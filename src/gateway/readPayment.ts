import type { PaymentPayload } from "@x402/core/types";
import { sha256 } from "ethers";
import { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import { bytes32 } from "#protocol/hex.ts";
import { caip2, domainIn, type Network } from "#protocol/network.ts";
import {
  paymentDigestOf,
  TASK_SCHEME,
  taskPayloadJson,
  type TaskRequirements,
  taskRequirementsJson,
} from "#protocol/payment.ts";
import { PREFUNDED_SCHEME, prefundedPayloadJson } from "#protocol/prefunded.ts";
import { type ProxyAuthorization, proxyPayloadJson, proxyPaymentDigest } from "#protocol/proxyPayment.ts";
import { type Task, taskIdOf } from "#protocol/task.ts";
import { parseStrictJson } from "#service/strictJson.ts";
import type { PaymentKey } from "#store/gatewayStore.ts";
import { UPTO_SCHEME } from "./uptoTerms.ts";

/** What decides how the rest is read. */
const envelopeJson = z.looseObject({
  x402Version: z.number(),
  accepted: z.looseObject({ scheme: z.string(), network: z.string() }),
  payload: z.record(z.string(), z.unknown()),
});

/** What is read of the requirements under `upto`; all else is compared with the offer as it came. */
const saltedJson = z.looseObject({ extra: z.looseObject({ salt: bytes32 }) });

const schemes = [TASK_SCHEME, UPTO_SCHEME, PREFUNDED_SCHEME] as const;

/** What payments of all schemes have. */
interface Sent extends PaymentKey {
  /** As it came, for the facilitator. */
  payload: PaymentPayload;
  /** The salt of the offer that was accepted. */
  salt: string;
}

/** A payment of scheme `task` or `prefunded`: the task itself is signed. */
export interface SentTaskPayment extends Sent {
  scheme: typeof TASK_SCHEME | typeof PREFUNDED_SCHEME;
  accepted: TaskRequirements;
  task: Task;
  /** Whose release it asks for. */
  facilitator: string;
}

/** A payment of x402's scheme `upto`: the gateway proposes the task. */
export interface SentUptoPayment extends Sent {
  scheme: typeof UPTO_SCHEME;
  authorization: ProxyAuthorization;
}

/** A payment as it was sent, read but not checked. */
export type SentPayment = SentTaskPayment | SentUptoPayment;

/**
 * Reads the header PAYMENT-SIGNATURE strictly: standard base64 of a JSON object in UTF-8, every field known and in range.
 *
 * @throws OpgError `invalid_payment_header`, `invalid_x402_version`, `unsupported_scheme`, `invalid_network`
 */
export function readPayment(header: string, network: Network): SentPayment {
  const content = decode(header);
  const { x402Version, accepted, payload } = read(envelopeJson, content, "");
  if (x402Version !== 2) {
    throw new OpgError("invalid_x402_version", `x402 version ${x402Version} is not spoken here; send version 2.`);
  }
  const scheme = schemes.find((known) => known === accepted.scheme);
  if (scheme === undefined) {
    const need = schemes.join(", ");
    throw new OpgError("unsupported_scheme", `This scheme is not taken here; pay with one of ${need}.`, { need });
  }
  const need = caip2(network);
  if (accepted.network !== need) {
    throw new OpgError("invalid_network", `The payment is for another network; pay on ${need}.`, { need });
  }
  const sent = { payload: content as PaymentPayload };
  if (scheme === UPTO_SCHEME) {
    const { salt } = read(saltedJson, accepted, "accepted.").extra;
    return { ...sent, salt, scheme, ...readUpto(payload, network) };
  }
  const requirements = read(taskRequirementsJson, accepted, "accepted.");
  const { salt, facilitator } = requirements.extra;
  const signed = scheme === TASK_SCHEME ? readTask(payload, network) : readPrefunded(payload, network);
  return { ...sent, salt, scheme, accepted: requirements, facilitator, ...signed };
}

function readTask(payload: unknown, { chainId }: Network) {
  const { signature, permit2Authorization } = read(taskPayloadJson, payload, "payload.");
  const paymentDigest = paymentDigestOf(permit2Authorization, BigInt(chainId));
  return { task: permit2Authorization.witness, paymentDigest, signatureHash: sha256(signature) };
}

/** The voucher is the facilitator's to read: with another one it is the same payment. */
function readPrefunded(payload: unknown, network: Network) {
  const { task, facilitator, signature } = read(prefundedPayloadJson, payload, "payload.");
  const paymentDigest = taskIdOf(task, domainIn(network, "taskEscrow"));
  return { task, facilitator, paymentDigest, signatureHash: sha256(signature) };
}

function readUpto(payload: unknown, { chainId }: Network) {
  const { signature, permit2Authorization: authorization } = read(proxyPayloadJson.upto, payload, "payload.");
  const paymentDigest = proxyPaymentDigest(UPTO_SCHEME, authorization, BigInt(chainId));
  return { authorization, paymentDigest, signatureHash: sha256(signature) };
}

function decode(header: string): unknown {
  const bytes = Buffer.from(header, "base64");
  if (bytes.length === 0 || bytes.toString("base64") !== header) throw unreadable("is not base64");
  try {
    return parseStrictJson(bytes);
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
