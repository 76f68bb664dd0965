import type { nodeStatuses } from "./onChainFacts.ts";

/** What the registry never changes of a node once it was admitted. */
export interface NodeIdentity {
  /** Signing address of the enclave, checksummed. */
  node: string;
  operator: string;
  /** Where its share of charges goes. */
  payout: string;
  measurement: string;
  /** SHA-256 of the SubjectPublicKeyInfo of its TLS key. */
  tlsKeyHash: string;
}

/** A node's entry; all zero where it never was admitted. */
export interface NodeRecord extends NodeIdentity {
  status: (typeof nodeStatuses)[number];
  /** Seconds since 1970. */
  leaseUntil: number;
  /** How often it was admitted. */
  sequence: number;
  /** The last time. */
  admittedInBlock: number;
}

/** What stands in the event of a node's newest admission alone. */
export interface NodeAdmission {
  /** SHA-256 of its key configuration for sealed requests. */
  hpkeKeyHash: string;
  /** SHA-256 of the evidence that the verifiers checked. */
  evidenceHash: string;
}

/** An active node as the registry has it. */
export interface AdmittedNode extends NodeRecord, NodeAdmission {
  /** Where its operator says that it is reached. */
  url: string;
}

/** By which two records of a node are compared. */
export const identityFields = ["node", "operator", "payout", "measurement", "tlsKeyHash"] as const;
