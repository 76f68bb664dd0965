import { decodePaymentRequiredHeader } from "@x402/core/http";
import type { PaymentRequired } from "@x402/core/types";
import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";

/** A header beyond this is not read; Node's own server sends at most 16 KiB of headers. */
const MAX_HEADER_CHARACTERS = 65_536;
const MAX_ENTRIES = 32;

const entryJson = z.looseObject({
  scheme: z.string(),
  network: z.string(),
  extra: z.record(z.string(), z.unknown()).optional(),
});

const offerJson = z.looseObject({
  x402Version: z.literal(2),
  error: z.string().optional(),
  resource: z.looseObject({ url: z.string() }).optional(),
  accepts: z.array(entryJson).max(MAX_ENTRIES),
  extensions: z.record(z.string(), z.unknown()).optional(),
});

/**
 * The offer in an answer's header PAYMENT-REQUIRED, as it was sent: a payment repeats parts of it word for word. Only its
 * frame is checked here.
 *
 * @returns nothing where there is no such header
 * @throws OpgError `invalid_offer` when it cannot be read
 */
export function readOffer(headers: Headers): PaymentRequired | undefined {
  const header = headers.get("payment-required");
  if (header === null) return undefined;
  if (header.length > MAX_HEADER_CHARACTERS) {
    throw unreadable(`its header is longer than ${MAX_HEADER_CHARACTERS} characters`);
  }
  const decoded = decode(header);
  const parsed = offerJson.safeParse(decoded);
  if (parsed.success) return decoded;
  const issue = parsed.error.issues[0];
  throw unreadable(`"${issue?.path.join(".") ?? ""}" is wrong`, issue?.path.join("."));
}

/** Also written again, because it will be: what is nested too deep for that is refused here. */
function decode(header: string): PaymentRequired {
  try {
    const decoded = decodePaymentRequiredHeader(header);
    JSON.stringify(decoded);
    return decoded;
  } catch (cause) {
    throw unreadable("it is not base64 of JSON", undefined, cause);
  }
}

function unreadable(problem: string, field?: string, cause?: unknown): OpgError {
  const message = `The server's offer cannot be read (${problem}); nothing was signed, pay elsewhere.`;
  return new OpgError("invalid_offer", message, { ...(field === undefined ? {} : { field }) }, { cause });
}
