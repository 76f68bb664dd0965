import type { SnpTcb } from "./snp/snpReport.ts";

/** Kinds of evidence that can be checked. */
export const evidenceKinds = ["simulated", "nitro", "tdx", "sgx", "sev-snp"] as const;

export type EvidenceKind = (typeof evidenceKinds)[number];

/** The roots that a network's parameters name, by kind; evidence of a kind without a root is refused. */
export interface EvidenceRoots {
  /** SHA-256 of root certificates. */
  simulated?: readonly string[] | undefined;
  nitro?: readonly string[] | undefined;
  tdx?: readonly string[] | undefined;
  sgx?: readonly string[] | undefined;
  /** AMD has one root per line of processors, and publishes no list of which firmware is up to date: the lowest that counts. */
  "sev-snp"?: { roots: readonly string[]; minimumTcb: SnpTcb } | undefined;
}

/** What an enclave has its platform state with it. */
export interface Claims {
  /** The enclave's signing key: secp256k1, uncompressed, 65 bytes as hex. */
  publicKey: string;
  /** What the enclave binds to its key, bytes32; see `identityBinding`. */
  userData: string;
  /** The challenge that was answered, bytes32; see `challengeNonce`. */
  nonce: string;
}

/** A source of evidence, as the enclave sees it: the platform knows what it runs and signs that. */
export interface Platform {
  kind: EvidenceKind;
  /** Measurement of the code that runs here, bytes32. */
  measurement: string;
  /** A document that carries the three values given; the platform adds measurement and time. */
  attest(claims: Claims): Promise<Uint8Array>;
}
