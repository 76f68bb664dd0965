import { z } from "zod";
import { address, bytes, bytes32 } from "./hex.ts";
import { type Domain, settlementDomain, typesOf } from "./typedData.ts";

/**
 * A verifier's key for sealed requests, under the signature of its wallet. The verifier makes another one at each start and
 * writes none of them down.
 */
export const sealingKeyJson = z.strictObject({
  verifier: address,
  /** Public key of X25519. */
  key: bytes32,
  signature: bytes,
});
export type SealingKey = z.output<typeof sealingKeyJson>;

/**
 * A released request that only one verifier can read: HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256),
 * HKDF-SHA256 and AES-128-GCM. Sealed is the JSON of `releasedRequestJson`; {@link sealingInfo} is its `info`, the 32 bytes of the
 * task's id are its `aad`.
 */
export const sealedRequestJson = z.strictObject({
  taskId: bytes32,
  /** The public key that it was sealed to. */
  key: bytes32,
  encapsulatedKey: bytes32,
  ciphertext: z.base64(),
});
export type SealedRequestJson = z.infer<typeof sealedRequestJson>;

/** What a verifier signs for its key. */
export function sealingKeyTypedData({ verifier, key }: Pick<SealingKey, "verifier" | "key">, settlement: Domain) {
  return { domain: settlementDomain(settlement), types: typesOf("SealingKey"), value: { verifier, key } };
}

/** HPKE's `info` of requests sealed to a verifier: `OPG/sealed-request/1 eip155:<chainId> <verifier>`, checksummed. */
export function sealingInfo(chainId: bigint, verifier: string): string {
  return `OPG/sealed-request/1 eip155:${chainId} ${verifier}`;
}
