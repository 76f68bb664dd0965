import { z } from "zod";
import { byteString } from "#attestation/byteString.ts";
import { readCbor } from "#attestation/readCbor.ts";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";

/** Real documents exceed the 512 bytes that AWS's specification allows for user data and nonce. */
const MAX_FIELD_BYTES = 1024;

/** A digest by SHA-256, SHA-384 or SHA-512. */
const register = z.union([byteString(32), byteString(48), byteString(64)]);

const content = z.strictObject({
  module_id: z.string().min(1).max(256),
  digest: z.literal("SHA384"),
  /** Milliseconds since 1970. */
  timestamp: z.int().min(1),
  pcrs: z
    .map(z.int().min(0).max(31), register)
    .refine(({ size }) => 1 <= size && size <= 32, "must be 1 to 32 registers"),
  certificate: byteString(1, 1024),
  /** Root first. */
  cabundle: z.array(byteString(1, 1024)).min(1).max(7),
  public_key: byteString(1, MAX_FIELD_BYTES).nullish(),
  user_data: byteString(0, MAX_FIELD_BYTES).nullish(),
  nonce: byteString(0, MAX_FIELD_BYTES).nullish(),
});

/** The payload of a Nitro document, as AWS's specification describes it. */
export type AttestationDocument = z.output<typeof content>;

/**
 * Reads the payload: every field that must be there, within its limits, and no other.
 *
 * @throws OpgError `evidence_refused`: `malformed`, with the field
 */
export function readAttestationDocument(payload: Uint8Array): AttestationDocument {
  const map = readCbor(payload, { useMaps: true, allowIndefinite: true });
  if (!(map instanceof Map) || ![...map.keys()].every((key) => typeof key === "string")) {
    throw refusedEvidence("malformed", { field: "payload" });
  }
  const parsed = content.safeParse(Object.fromEntries(map));
  if (!parsed.success) throw refusedEvidence("malformed", { field: parsed.error.issues[0]?.path.join(".") });
  return parsed.data;
}
