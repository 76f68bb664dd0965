// @peculiar/x509 does not load without it.
import "reflect-metadata";
import { generateKeyPairSync, randomBytes, webcrypto } from "node:crypto";
import { X509CertificateGenerator } from "@peculiar/x509";
import { concat, hexlify, sha256, toBeHex, Wallet } from "ethers";
import type { EnclaveIdentity } from "./enclave.ts";

/** A certificate need not end before its key does, and the key ends with the process. */
const CERTIFICATE_SECONDS = 10 * 365 * 24 * 3600;

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** The enclave's keys. They live in memory only: a restarted enclave is another node. */
export interface EnclaveKeys {
  signer: Wallet;
  /** PEM. */
  tls: { key: string; cert: string };
  identity: EnclaveIdentity;
}

/**
 * Makes the three keys of an enclave from the platform's randomness: secp256k1 for signatures, P-256 with a self-signed
 * certificate for TLS, X25519 for sealed requests.
 *
 * @param now - seconds since 1970, when the certificate begins
 */
export async function makeKeys(now: number): Promise<EnclaveKeys> {
  const signer = new Wallet(hexlify(randomBytes(32)));
  const { tls, tlsKeyHash } = await makeTlsKey(now);
  const hpke = generateKeyPairSync("x25519");
  const hpkeConfig = hpkeKeyConfig(Buffer.from(hpke.publicKey.export({ format: "jwk" }).x ?? "", "base64url"));
  const identity = {
    node: signer.address,
    publicKey: signer.signingKey.publicKey,
    tlsKeyHash,
    hpkeConfig,
    hpkeKeyHash: sha256(hpkeConfig),
  };
  return { signer, tls, identity };
}

async function makeTlsKey(now: number): Promise<{ tls: EnclaveKeys["tls"]; tlsKeyHash: string }> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=OPG node",
    // A caller's clock may be a little behind.
    notBefore: new Date((now - 3600) * 1000),
    notAfter: new Date((now + CERTIFICATE_SECONDS) * 1000),
    keys,
    signingAlgorithm: P256,
  });
  const exported = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const key = `-----BEGIN PRIVATE KEY-----\n${exported}\n-----END PRIVATE KEY-----\n`;
  const spki = new Uint8Array(await webcrypto.subtle.exportKey("spki", keys.publicKey));
  return { tls: { key, cert: certificate.toString("pem") }, tlsKeyHash: sha256(spki) };
}

/**
 * Key configuration of RFC 9458, section 3.1: key id 1, KEM X25519 (0x0020), the public key, and two suites of
 * HKDF-SHA256 (0x0001) with AES-128-GCM (0x0001) and ChaCha20-Poly1305 (0x0003).
 */
function hpkeKeyConfig(publicKey: Uint8Array): string {
  const u16 = (value: number): string => toBeHex(value, 2);
  const suites = concat([u16(0x0001), u16(0x0001), u16(0x0001), u16(0x0003)]);
  return concat(["0x01", u16(0x0020), hexlify(publicKey), u16(8), suites]);
}
