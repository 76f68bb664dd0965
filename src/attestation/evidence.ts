/** Kinds of evidence that can be checked. */
export const evidenceKinds = ["development"] as const;

export type EvidenceKind = (typeof evidenceKinds)[number];

/** What a platform states about the enclave that it runs. */
export interface Statement {
  /** Identifies the code that runs, bytes32. */
  measurement: string;
  /** The enclave's signing key: secp256k1, uncompressed, 65 bytes as hex. */
  publicKey: string;
  /** What the enclave binds to its key, bytes32; see `identityBinding`. */
  userData: string;
  /** The challenge that was answered, bytes32; see `challengeNonce`. */
  nonce: string;
  /** When the document was made, seconds since 1970. */
  timestamp: number;
}

/** What the checker of one kind found: a statement whose signature holds under the root named. */
export interface CheckedStatement extends Statement {
  kind: EvidenceKind;
}

/** A source of evidence, as the enclave sees it: the platform knows what it runs and signs that. */
export interface Platform {
  kind: EvidenceKind;
  /** Measurement of the code that runs here, bytes32. */
  measurement: string;
  /** A document that carries the three values given; the platform adds measurement and time. */
  attest(claims: Pick<Statement, "publicKey" | "userData" | "nonce">): Promise<Uint8Array>;
}
