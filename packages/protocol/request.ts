import { concat, sha256, toUtf8Bytes } from "ethers";
import { z } from "zod";
import { address, bytes32, uint } from "./hex.ts";
import { namedTensorsJson } from "./tensors.ts";

/** Body of `POST /v1/infer`. */
export const inferRequestJson = z.strictObject({
  /** `name`, `name@version`, or a versionId. */
  model: z.string().min(1).max(200),
  inputs: namedTensorsJson,
  /** 32 random bytes that keep the digests from being guessed; chosen by the gateway where left out. */
  salt: bytes32.optional(),
  /** Fills the payer into the unsigned task, and adds the typed data to sign. */
  payer: address.optional(),
  /** A Permit2 nonce of the payer's choice; one is suggested where left out. */
  nonce: uint(256).optional(),
});

export type InferRequestJson = z.input<typeof inferRequestJson>;
export type InferRequest = z.output<typeof inferRequestJson>;

/**
 * The digest that a task names for its request: `sha256("OPG/request/1" || salt || versionId || inputDigest)`.
 * The salt is known to client, enclave and those who re-execute: a bare digest of a guessable prompt would leak it.
 */
export function requestDigest(salt: string, versionId: string, inputDigest: string): string {
  return sha256(concat([toUtf8Bytes("OPG/request/1"), salt, versionId, inputDigest]));
}
