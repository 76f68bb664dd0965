import { AbiCoder, keccak256 } from "ethers";
import { z } from "zod";
import { address, bytes, bytes32, timestamp } from "./hex.ts";
import { type Domain, nodeRegistryDomain, typesOf } from "./typedData.ts";

/** A node's entry into the registry: signed by its enclave and by a quorum of verifiers, both over the same digest. */
export interface Admission {
  /** Signing address of the enclave. */
  node: string;
  operator: string;
  payout: string;
  measurement: string;
  /** SHA-256 of the TLS certificate's SubjectPublicKeyInfo. */
  tlsKeyHash: string;
  /** SHA-256 of the HPKE key configuration. */
  hpkeKeyHash: string;
  /** SHA-256 of the evidence document. */
  evidenceHash: string;
  /** The admission is a lease: it ends then unless renewed, seconds since 1970. */
  leaseUntil: number;
  /** One more than the node's last admission; an old one cannot be played again. */
  sequence: number;
  /** Epoch of the verifier set that signs. */
  epoch: bigint;
}

/** Wire shape of {@link Admission}. */
export const admissionJson = z.strictObject({
  node: address,
  operator: address,
  payout: address,
  measurement: bytes32,
  tlsKeyHash: bytes32,
  hpkeKeyHash: bytes32,
  evidenceHash: bytes32,
  leaseUntil: timestamp,
  sequence: z.int().min(1),
  epoch: z.int().min(0).transform(BigInt),
});

/** Body of a verifier's `POST /admissions`. */
export const admissionRequestJson = z.strictObject({
  admission: admissionJson,
  /** Base64 of the evidence document. */
  evidence: z.base64().max(40_000),
  /** A recent block and all verifiers' challenges: what the evidence's nonce is made of. */
  blockNumber: z.int().min(0),
  challenges: z.array(bytes32).min(1).max(100),
  enclaveSignature: bytes,
});

export type AdmissionRequest = z.output<typeof admissionRequestJson>;
export type AdmissionRequestJson = z.input<typeof admissionRequestJson>;

/** What the enclave and the verifiers sign. */
export function admissionTypedData(admission: Admission, nodeRegistry: Domain) {
  return { domain: nodeRegistryDomain(nodeRegistry), types: typesOf("Admission"), value: { ...admission } };
}

/**
 * The nonce that evidence must carry:
 * `keccak256(abi.encode(registry, chainId, blockHash, challenges))`, challenges ascending.
 * Shared by all verifiers, so that there is one document and one evidence hash to sign.
 */
export function challengeNonce(nodeRegistry: Domain, blockHash: string, challenges: readonly string[]): string {
  const ascending = [...challenges].sort();
  return keccak256(
    AbiCoder.defaultAbiCoder().encode(
      ["address", "uint256", "bytes32", "bytes32[]"],
      [nodeRegistry.verifyingContract, nodeRegistry.chainId, blockHash, ascending],
    ),
  );
}

/**
 * What evidence's `user_data` binds to the signing key:
 * `keccak256(abi.encode("OPG/identity/2", tlsKeyHash, hpkeKeyHash, operator, payout, chainId, registry, verifiersHash))`.
 *
 * @param verifiers - addresses of those whom the enclave shows requests to, see {@link verifiersHash}
 */
export function identityBinding(
  identity: Pick<Admission, "tlsKeyHash" | "hpkeKeyHash" | "operator" | "payout">,
  nodeRegistry: Domain,
  verifiers: readonly string[],
): string {
  return keccak256(
    AbiCoder.defaultAbiCoder().encode(
      ["string", "bytes32", "bytes32", "address", "address", "uint256", "address", "bytes32"],
      [
        "OPG/identity/2",
        identity.tlsKeyHash,
        identity.hpkeKeyHash,
        identity.operator,
        identity.payout,
        nodeRegistry.chainId,
        nodeRegistry.verifyingContract,
        verifiersHash(verifiers),
      ],
    ),
  );
}

/** `keccak256(abi.encode(verifiers))`, addresses ascending: one hash for a list in any order. */
export function verifiersHash(verifiers: readonly string[]): string {
  const ascending = [...verifiers].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  return keccak256(AbiCoder.defaultAbiCoder().encode(["address[]"], [ascending]));
}
