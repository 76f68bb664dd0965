import { constants, createPublicKey, type KeyObject, verify } from "node:crypto";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";

/** The ways of signing that platforms use, each with one kind of key and one hash. */
export type Scheme = "ecdsa-p256" | "ecdsa-p384" | "rsa-pss";

interface SchemeFacts {
  /** Algorithm identifiers that name it, as whole DER in hex. */
  identifiers: readonly string[];
  hash: string;
  /** What a SubjectPublicKeyInfo of such a key begins with, in hex. */
  keyPrefix?: string;
  keyBytes?: number;
  curveOrder?: bigint;
}

/** RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes. */
const pss =
  "06092a864886f70d01010a30__a00f300d06096086480165030402020500a11c301a06092a864886f70d010108" +
  "300d06096086480165030402020500a203020130";

const schemes: Readonly<Record<Scheme, SchemeFacts>> = {
  "ecdsa-p256": {
    identifiers: ["300a06082a8648ce3d040302"],
    hash: "sha256",
    keyPrefix: "3059301306072a8648ce3d020106082a8648ce3d03010703420004",
    keyBytes: 91,
    curveOrder: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  "ecdsa-p384": {
    identifiers: ["300a06082a8648ce3d040303"],
    hash: "sha384",
    keyPrefix: "3076301006072a8648ce3d020106052b8104002203620004",
    keyBytes: 120,
    curveOrder: BigInt(
      "0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
  },
  "rsa-pss": {
    // AMD writes the trailer field, which has its default value, in some certificates and leaves it out in others.
    identifiers: [`3041${pss.replace("__", "34")}`, `3046${pss.replace("__", "39")}a303020101`],
    hash: "sha384",
  },
};

/** Smallest and largest RSA key; more would only cost time. */
const RSA_BITS = [3072, 4096] as const;

/** Whether an algorithm identifier names this scheme, and says nothing else. */
export function namesScheme(identifier: Uint8Array, scheme: Scheme): boolean {
  return schemes[scheme].identifiers.includes(Buffer.from(identifier).toString("hex"));
}

/**
 * Reads a SubjectPublicKeyInfo that must hold a key for this scheme; EC points are uncompressed and on the curve.
 *
 * @throws OpgError `evidence_refused`: `unsupported_algorithm`
 */
export function importKey(spki: Uint8Array, scheme: Scheme): KeyObject {
  const { keyPrefix, keyBytes } = schemes[scheme];
  if (keyPrefix !== undefined) {
    const hex = Buffer.from(spki).toString("hex");
    if (spki.length !== keyBytes || !hex.startsWith(keyPrefix)) throw refusedEvidence("unsupported_algorithm");
  }
  const key = readKey(spki);
  if (keyPrefix !== undefined) return key;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  const fits = key.asymmetricKeyType === "rsa" && bits >= RSA_BITS[0] && bits <= RSA_BITS[1];
  if (!fits || key.asymmetricKeyDetails?.publicExponent !== 65_537n) throw refusedEvidence("unsupported_algorithm");
  return key;
}

/** Reads the public key of an uncompressed point without its leading 0x04, as quotes hold it. */
export function importPoint(point: Uint8Array, scheme: Exclude<Scheme, "rsa-pss">): KeyObject {
  const prefix = schemes[scheme].keyPrefix ?? "";
  return importKey(Buffer.concat([Buffer.from(prefix, "hex"), point]), scheme);
}

/**
 * Whether the signature holds.
 *
 * @param encoding - how an ECDSA signature is written: `der` in certificates, `plain` (r, then s, big-endian) elsewhere
 */
export function isSigned(
  scheme: Scheme,
  key: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
  encoding: "der" | "plain",
): boolean {
  const { hash } = schemes[scheme];
  if (scheme === "rsa-pss") {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return verify(hash, data, { key, padding, saltLength: 48 }, signature);
  }
  return verify(hash, data, { key, dsaEncoding: encoding === "der" ? "der" : "ieee-p1363" }, signature);
}

/**
 * The one of the two forms of a plain ECDSA signature that has the lower s. With (r, s) the same key signs by (r, n - s)
 * too, and anybody can make one from the other.
 */
export function lowerForm(signature: Uint8Array, scheme: Exclude<Scheme, "rsa-pss">): Uint8Array {
  const order = schemes[scheme].curveOrder ?? 0n;
  const half = signature.length / 2;
  const s = BigInt(`0x${Buffer.from(signature.subarray(half)).toString("hex")}`);
  if (s <= order / 2n || s >= order) return signature;
  const lower = (order - s).toString(16).padStart(half * 2, "0");
  return Buffer.concat([signature.subarray(0, half), Buffer.from(lower, "hex")]);
}

/** Whether a plain ECDSA signature is in its lower form. */
export function isLowerForm(signature: Uint8Array, scheme: Exclude<Scheme, "rsa-pss">): boolean {
  return Buffer.compare(lowerForm(signature, scheme), signature) === 0;
}

function readKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (cause) {
    throw refusedEvidence("unsupported_algorithm", {}, { cause });
  }
}
