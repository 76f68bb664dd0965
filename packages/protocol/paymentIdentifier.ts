import { z } from "zod";
import { OpgError } from "./errors.ts";

/** Name of the x402 extension by which a client marks repetitions of one purchase. */
export const PAYMENT_IDENTIFIER = "payment-identifier";

/** An idempotency id of the client's choice. */
export const paymentIdentifier = z
  .string()
  .regex(/^[a-zA-Z0-9_-]{16,128}$/, "must be 16 to 128 characters of a-z, A-Z, 0-9, _ and -");

/** What a 402 says under {@link PAYMENT_IDENTIFIER} in `extensions`: an id is welcome. Clients send it back with `info.id`. */
export const paymentIdentifierDeclaration = {
  info: { required: false },
  schema: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: {
      required: { type: "boolean" },
      id: { type: "string", minLength: 16, maxLength: 128, pattern: "^[a-zA-Z0-9_-]+$" },
    },
    required: ["required"],
  },
} as const;

const declared = z.looseObject({
  [PAYMENT_IDENTIFIER]: z.looseObject({ info: z.looseObject({ id: paymentIdentifier.optional() }) }).optional(),
});

/**
 * The payment identifier among the `extensions` of a payment payload. A schema that was sent along is not looked at.
 *
 * @returns nothing where none was sent, as when a client only repeats what the 402 declared
 * @throws OpgError `invalid_body` naming the field
 */
export function paymentIdentifierIn(extensions: unknown): string | undefined {
  if (extensions === undefined || extensions === null) return undefined;
  const parsed = declared.safeParse(extensions);
  if (parsed.success) return parsed.data[PAYMENT_IDENTIFIER]?.info.id;
  const issue = parsed.error.issues[0];
  const field = ["extensions", ...(issue?.path ?? [])].join(".");
  throw new OpgError("invalid_body", `"${field}" is wrong: ${issue?.message ?? "unreadable"}.`, { field });
}
