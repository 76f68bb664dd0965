import { encode } from "cborg";
import { getBytes } from "ethers";
import { z } from "zod";
import { byteString } from "#attestation/byteString.ts";
import type { Platform } from "#attestation/evidence.ts";
import { MAX_DOCUMENT_BYTES, readCbor } from "#attestation/readCbor.ts";
import { OpgError } from "#protocol/errors.ts";
import { readAttestationDocument } from "./attestationDocument.ts";
import { inSingleForm } from "./checkNitroDocument.ts";
import { readCoseSign1 } from "./coseSign1.ts";
import { nitroMeasurement } from "./nitroMeasurement.ts";

/** Gives a request to an enclave's device and brings its answer; both are CBOR. */
export type NitroDevice = (request: Uint8Array) => Promise<Uint8Array>;

/** What goes into a document, as the device wants it. */
type Wanted = Record<"public_key" | "user_data" | "nonce", Uint8Array | null>;

const answered = z.union([
  z.strictObject({ Attestation: z.strictObject({ document: byteString(1, MAX_DOCUMENT_BYTES) }) }),
  z.strictObject({ Error: z.string().max(100) }),
]);

/**
 * Opens the platform of a Nitro enclave. Its first document says what runs here, so that a debug enclave ends at once.
 *
 * @throws OpgError `platform_unavailable`, or `evidence_refused` for a document that no verifier would take
 */
export async function openNitroPlatform(ask: NitroDevice): Promise<Platform> {
  const first = await requestDocument(ask, { public_key: null, user_data: null, nonce: null });
  const { pcrs } = readAttestationDocument(readCoseSign1(first).payload);
  return {
    kind: "nitro",
    measurement: nitroMeasurement("nitro", pcrs),
    attest: ({ publicKey, userData, nonce }) =>
      requestDocument(ask, { public_key: getBytes(publicKey), user_data: getBytes(userData), nonce: getBytes(nonce) }),
  };
}

/** A document in the form in which it is admitted; the device writes either. */
async function requestDocument(ask: NitroDevice, wanted: Wanted): Promise<Uint8Array> {
  const answer = readAnswer(await ask(encode({ Attestation: wanted })));
  if ("Attestation" in answer) return inSingleForm(answer.Attestation.document);
  throw unavailable(`The enclave's device refuses: ${answer.Error}.`);
}

function readAnswer(bytes: Uint8Array): z.output<typeof answered> {
  try {
    return answered.parse(readCbor(bytes, { useMaps: false, allowIndefinite: true }));
  } catch (cause) {
    throw unavailable("The enclave's device answered something else than a document.", cause);
  }
}

function unavailable(what: string, cause?: unknown): OpgError {
  return new OpgError(
    "platform_unavailable",
    `${what} Is this the enclave, and the program its image's?`,
    {},
    { cause },
  );
}
