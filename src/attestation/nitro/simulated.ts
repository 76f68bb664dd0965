// @peculiar/x509 does not load without it.
import "reflect-metadata";
import {
  createHash,
  createPrivateKey,
  KeyObject,
  sign,
  webcrypto,
  X509Certificate as NodeCertificate,
} from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { encode } from "cborg";
import { getBytes } from "ethers";
import type { Claims, Platform } from "#attestation/evidence.ts";
import { lowerForm } from "#attestation/x509/signatures.ts";
import { encodeCoseSign1, signedBytesOf } from "./coseSign1.ts";
import { nitroMeasurement } from "./nitroMeasurement.ts";

const P384 = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
const DAY = 24 * 3600;
/** As long as AWS's for an enclave. */
const LEAF_SECONDS = 3 * 3600;
const ROOT_SECONDS = 30 * 365 * DAY;
const REGISTERS = 16;
const MODULE = "i-0123456789abcdef0";

/** A root of a simulated platform, both in PEM. Who has the key can state anything. */
export interface SimulatedRoot {
  certificate: string;
  key: string;
}

/** What a simulated platform is made with. */
export interface SimulatedPlatformOptions {
  root: SimulatedRoot;
  /** Digest of the execution profile that the code runs. */
  profile: string;
  /** Seconds since 1970. */
  clock: () => number;
}

interface Authority {
  certificate: X509Certificate;
  key: webcrypto.CryptoKey;
}

/** Certificates root first, the key of the last, and until when documents may be signed by it. */
interface Issued {
  certificates: readonly Uint8Array[];
  key: KeyObject;
  until: number;
}

/** Makes a root for a simulated platform, valid from now on; a network names it by its certificate's SHA-256. */
export async function makeSimulatedRoot(now: number): Promise<SimulatedRoot> {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "C=US,O=OPG,OU=Development,CN=simulated.nitro-enclaves",
    ...validity(now, ROOT_SECONDS),
    keys,
    signingAlgorithm: P384,
    extensions: await authorityExtensions(keys.publicKey, undefined),
  });
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }).toString();
  return { certificate: certificate.toString("pem"), key };
}

/**
 * Reads a root from PEM: its certificate and its private key, in one text.
 *
 * @throws Error where there is not one of each, or the key is another certificate's
 */
export function readSimulatedRoot(pem: string): SimulatedRoot {
  const block = (label: string): string => {
    const found = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`).exec(pem);
    if (!found) throw new Error(`there is no ${label} in it`);
    return found[0];
  };
  const root = { certificate: block("CERTIFICATE"), key: block("PRIVATE KEY") };
  if (!new NodeCertificate(root.certificate).checkPrivateKey(createPrivateKey(root.key))) {
    throw new Error("the key is not the certificate's");
  }
  return root;
}

/** A root as one text, as {@link readSimulatedRoot} reads it. */
export function writeSimulatedRoot({ certificate, key }: SimulatedRoot): string {
  return `${certificate.trim()}\n${key.trim()}\n`;
}

/** SHA-256 of a root's certificate, hex: what `EvidenceRoots.simulated` names. */
export function simulatedRootFingerprint({ certificate }: SimulatedRoot): string {
  return createHash("sha256")
    .update(new Uint8Array(new X509Certificate(certificate).rawData))
    .digest("hex");
}

/** The measurement that a simulated platform states of code that runs this profile. */
export function simulatedMeasurement(profile: string): string {
  return nitroMeasurement("simulated", registersOf(profile));
}

/**
 * A platform for development: it signs documents exactly in Nitro's format, under certificates like AWS's, up to a root that it
 * holds itself. They say nothing about where the code runs.
 */
export function createSimulatedPlatform({ root, profile, clock }: SimulatedPlatformOptions): Platform {
  const pcrs = registersOf(profile);
  let issued: Promise<Issued> | undefined;
  const attest = async (claims: Claims): Promise<Uint8Array> => {
    const now = clock();
    if (!issued || (await issued).until < now) issued = issue(root, now);
    const { certificates, key } = await issued;
    const payload = encodePayload(claims, pcrs, certificates, now);
    const signature = sign("sha384", signedBytesOf(payload), { key, dsaEncoding: "ieee-p1363" });
    return encodeCoseSign1({ payload, signature: lowerForm(signature, "ecdsa-p384") });
  };
  return { kind: "simulated", measurement: simulatedMeasurement(profile), attest };
}

function encodePayload(
  claims: Claims,
  pcrs: ReadonlyMap<number, Uint8Array>,
  certificates: readonly Uint8Array[],
  now: number,
): Uint8Array {
  const fields = new Map<string, unknown>([
    ["module_id", `${MODULE}-enc0123456789abcdef`],
    ["digest", "SHA384"],
    ["timestamp", now * 1000],
    ["pcrs", pcrs],
    ["certificate", certificates.at(-1)],
    ["cabundle", certificates.slice(0, -1)],
    ["public_key", getBytes(claims.publicKey)],
    ["user_data", getBytes(claims.userData)],
    ["nonce", getBytes(claims.nonce)],
  ]);
  return encode(fields, { mapSorter: () => 0 });
}

/** Registers 0 to 2 follow from the profile, the others are zero, as those of an enclave that nobody signed are. */
function registersOf(profile: string): ReadonlyMap<number, Uint8Array> {
  const measured = (register: number) =>
    createHash("sha384").update(`OPG/simulated/PCR${register}`).update(getBytes(profile)).digest();
  return new Map(
    Array.from({ length: REGISTERS }, (_, register) => [
      register,
      register < 3 ? measured(register) : Buffer.alloc(48),
    ]),
  );
}

/** Issues what AWS issues: three authorities below the root, for a region, a zone and a machine, and an enclave's certificate. */
async function issue({ certificate, key }: SimulatedRoot, now: number): Promise<Issued> {
  const pkcs8 = createPrivateKey(key).export({ type: "pkcs8", format: "der" });
  const rootKey = await webcrypto.subtle.importKey("pkcs8", pkcs8, P384, true, ["sign"]);
  const authorities: Authority[] = [{ certificate: new X509Certificate(certificate), key: rootKey }];
  for (const [pathLength, name] of [
    [2, "region.simulated"],
    [1, "zone.region.simulated"],
    [0, `${MODULE}.region.simulated`],
  ] as const) {
    const issuer = authorities.at(-1) as Authority;
    authorities.push(await issueBelow(issuer, `C=US,O=OPG,CN=${name}`, validity(now, DAY), pathLength));
  }
  const leaf = await issueBelow(
    authorities.at(-1) as Authority,
    `C=US,O=OPG,CN=${MODULE}-enc`,
    validity(now, LEAF_SECONDS),
  );
  const certificates = [...authorities, leaf].map((issued) => new Uint8Array(issued.certificate.rawData));
  return { certificates, key: KeyObject.from(leaf.key), until: now + LEAF_SECONDS / 2 };
}

/** Issues an authority's certificate with this path length, or a leaf's without. */
async function issueBelow(
  issuer: Authority,
  subject: string,
  times: ReturnType<typeof validity>,
  pathLength?: number,
): Promise<Authority> {
  const keys = await makeKeys();
  const isLeaf = pathLength === undefined;
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: issuer.certificate.subject,
    ...times,
    publicKey: keys.publicKey,
    signingKey: issuer.key,
    signingAlgorithm: P384,
    extensions: isLeaf
      ? [new BasicConstraintsExtension(false, undefined, true), new KeyUsagesExtension(KeyUsageFlags.digitalSignature)]
      : await authorityExtensions(keys.publicKey, pathLength, issuer.certificate.publicKey),
  });
  return { certificate, key: keys.privateKey };
}

async function authorityExtensions(
  key: webcrypto.CryptoKey,
  pathLength: number | undefined,
  issuer?: X509Certificate["publicKey"],
) {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    ...(issuer ? [await AuthorityKeyIdentifierExtension.create(issuer)] : []),
    await SubjectKeyIdentifierExtension.create(key),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(P384, true, ["sign", "verify"]);
}

/** Verifiers' clocks may be a little behind. */
function validity(now: number, seconds: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date((now - 600) * 1000), notAfter: new Date((now + seconds) * 1000) };
}
