import {
  concat,
  getAddress,
  getBytes,
  hexlify,
  keccak256,
  recoverAddress,
  sha256,
  Signature,
  type SigningKey,
  toUtf8Bytes,
} from "ethers";
import { z } from "zod";
import { encodeDeterministic, readDeterministic } from "./readCbor.ts";
import type { Platform, Statement } from "./evidence.ts";
import { refusedEvidence } from "./refusedEvidence.ts";

/** Bytes of a fixed length, read as hex. */
function bytesOf(length: number) {
  return z
    .instanceof(Uint8Array)
    .refine((value) => value.length === length, `must be ${length} bytes`)
    .transform((value) => hexlify(value));
}

const documentContent = z.strictObject({
  kind: z.literal("development"),
  version: z.literal(1),
  measurement: bytesOf(32),
  publicKey: bytesOf(65),
  userData: bytesOf(32),
  nonce: bytesOf(32),
  timestamp: z.int().min(0),
  signature: bytesOf(65),
});

/**
 * The measurement of code that no platform measures: `sha256("OPG/development/1" || execution profile)`. Networks that
 * name a development root approve it for the profile that they use.
 *
 * @param profile - digest of the execution profile, bytes32
 */
export function developmentMeasurement(profile: string): string {
  return sha256(concat([toUtf8Bytes("OPG/development/1"), profile]));
}

/**
 * A document of the development kind. It stands in for a platform's and says nothing about where the code runs.
 *
 * @param root - the development root, whose address the network's parameters must name
 */
export function makeDevelopmentEvidence(root: SigningKey, statement: Statement): Uint8Array {
  const signature = root.sign(documentDigest(statement));
  return encodeDeterministic({ ...contentOf(statement), signature: getBytes(signature.serialized) });
}

/**
 * A platform for development: it signs with a root key that it holds itself.
 *
 * @param profile - digest of the execution profile that the code runs
 */
export function createDevelopmentPlatform(root: SigningKey, profile: string, clock: () => number): Platform {
  const measurement = developmentMeasurement(profile);
  return {
    kind: "development",
    measurement,
    attest: (claims) => Promise.resolve(makeDevelopmentEvidence(root, { ...claims, measurement, timestamp: clock() })),
  };
}

/**
 * Checks form and signature of a document of the development kind.
 *
 * @param root - address that the network's parameters name
 * @throws OpgError `evidence_refused`: `malformed`, `bad_signature` or `wrong_root`
 */
export function checkDevelopmentDocument(document: Uint8Array, root: string): Statement {
  const parsed = documentContent.safeParse(readDeterministic(document));
  if (!parsed.success) throw refusedEvidence("malformed", { field: parsed.error.issues[0]?.path.join(".") });
  const { measurement, publicKey, userData, nonce, timestamp, signature } = parsed.data;
  const statement = { measurement, publicKey, userData, nonce, timestamp };
  const signer = recoverSigner(documentDigest(statement), signature);
  if (signer !== getAddress(root)) throw refusedEvidence("wrong_root", { signer });
  return statement;
}

function recoverSigner(digest: string, bytes: string): string {
  try {
    const signature = Signature.from(bytes);
    // ethers reads several values of v as the same signature; only one of them may pass.
    if (signature.serialized === bytes) return recoverAddress(digest, signature);
  } catch (cause) {
    throw refusedEvidence("bad_signature", {}, { cause });
  }
  throw refusedEvidence("bad_signature");
}

/** What the root signs: `keccak256("OPG/development/1" || deterministic CBOR of the content without signature)`. */
function documentDigest(statement: Statement): string {
  return keccak256(concat([toUtf8Bytes("OPG/development/1"), encodeDeterministic(contentOf(statement))]));
}

function contentOf({ measurement, publicKey, userData, nonce, timestamp }: Statement) {
  return {
    kind: "development",
    version: 1,
    measurement: getBytes(measurement),
    publicKey: getBytes(publicKey),
    userData: getBytes(userData),
    nonce: getBytes(nonce),
    timestamp,
  };
}
