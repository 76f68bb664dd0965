import { constants, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Scheme } from "#attestation/x509/signatures.ts";
import { bits, commonName, der, integer, objectId, octets, sequence, utcTime } from "./derWriter.ts";

export interface KeyPair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const algorithms: Readonly<Record<Scheme, { identifier: string; hash: string }>> = {
  "ecdsa-p256": { identifier: "300a06082a8648ce3d040302", hash: "sha256" },
  "ecdsa-p384": { identifier: "300a06082a8648ce3d040303", hash: "sha384" },
  "rsa-pss": {
    identifier:
      "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108" +
      "300d06096086480165030402020500a203020130",
    hash: "sha384",
  },
};

export const extension = (id: string, content: Uint8Array, critical = false): Buffer =>
  sequence(objectId(id), ...(critical ? [der(0x01, Buffer.from([0xff]))] : []), octets(content));

export const basicConstraints = (isAuthority: boolean, pathLength?: number): Buffer =>
  extension(
    "551d13",
    sequence(
      ...(isAuthority ? [der(0x01, Buffer.from([0xff]))] : []),
      ...(pathLength === undefined ? [] : [integer(pathLength)]),
    ),
    true,
  );

/** @param flags - first byte of keyUsage, from the left */
export const keyUsage = (flags: number): Buffer => extension("551d0f", bits(Buffer.from([flags]), 1), true);

export const usage = { sign: 0x80, certify: 0x04, certifyAndRevoke: 0x06 } as const;

/** A certificate as it is to be issued; all can be wrong. */
export interface Template {
  subject: string;
  issuer: string;
  serial: number | bigint;
  /** As the version is encoded: 2 is version 3. */
  version: number;
  notBefore: number;
  notAfter: number;
  key: KeyPair;
  extensions: readonly Uint8Array[];
  /** How the issuer signs, and with what. */
  scheme: Scheme;
  signer: KeyPair;
  /** Algorithm inside of what is signed, where it is another than outside. */
  innerAlgorithm?: string;
  /** SubjectPublicKeyInfo, where it is another than the key's. */
  publicKey?: Uint8Array;
}

export function issueCertificate(template: Template): Buffer {
  const { subject, issuer, serial, version, notBefore, notAfter, key, extensions, scheme, signer } = template;
  const { identifier } = algorithms[scheme];
  const body = sequence(
    der(0xa0, integer(version)),
    integer(serial),
    Buffer.from(template.innerAlgorithm ?? identifier, "hex"),
    commonName(issuer),
    sequence(utcTime(notBefore), utcTime(notAfter)),
    commonName(subject),
    template.publicKey ?? key.publicKey.export({ type: "spki", format: "der" }),
    ...(extensions.length > 0 ? [der(0xa3, sequence(...extensions))] : []),
  );
  return signFrame(body, scheme, signer);
}

/** A revocation list as it is to be issued. */
export interface RevocationTemplate {
  issuer: string;
  notBefore: number;
  notAfter: number;
  revoked: readonly (number | bigint)[];
  extensions: readonly Uint8Array[];
  scheme: Scheme;
  signer: KeyPair;
}

export function issueRevocations(template: RevocationTemplate): Buffer {
  const { issuer, notBefore, notAfter, revoked, extensions, scheme, signer } = template;
  const entries = revoked.map((serial) => sequence(integer(serial), utcTime(notBefore)));
  const body = sequence(
    integer(1),
    Buffer.from(algorithms[scheme].identifier, "hex"),
    commonName(issuer),
    utcTime(notBefore),
    utcTime(notAfter),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    ...(extensions.length > 0 ? [der(0xa0, sequence(...extensions))] : []),
  );
  return signFrame(body, scheme, signer);
}

/** Signs the inner part of a certificate or revocation list. */
export function signFrame(body: Uint8Array, scheme: Scheme, { privateKey: key }: KeyPair): Buffer {
  const { identifier, hash } = algorithms[scheme];
  const signature =
    scheme === "rsa-pss"
      ? sign(hash, body, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 })
      : sign(hash, body, { key, dsaEncoding: "der" });
  return sequence(body, Buffer.from(identifier, "hex"), bits(signature));
}

/** A new key for a way of signing. RSA keys take long, so there is one at a time for who needs no more. */
export function makeKey(scheme: Scheme): KeyPair {
  if (scheme === "rsa-pss") return generateKeyPairSync("rsa", { modulusLength: 3072 });
  return generateKeyPairSync("ec", { namedCurve: scheme === "ecdsa-p256" ? "P-256" : "P-384" });
}
