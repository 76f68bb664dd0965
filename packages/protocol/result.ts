import { concat, sha256, toUtf8Bytes } from "ethers";
import { z } from "zod";
import { address, bytes, bytes32, timestamp, uint } from "./hex.ts";
import { domainSeparator, type Keccak, portableKeccak, signedDigest, structHash } from "./structHash.ts";
import { type Domain, settlementDomain, typesOf } from "./typedData.ts";

/** What the node's enclave signs when it has computed: the answer's digest, the charge, and where it is paid to. */
export interface Result {
  taskId: string;
  /** Salted digest of the outputs, see {@link responseDigest}. */
  response: string;
  payout: string;
  /** The charge, atomic units. */
  amount: bigint;
  /** Seconds since 1970, at most the task's deadline. */
  completedAt: number;
}

/** Wire shape of {@link Result}. */
export const resultJson = z.strictObject({
  taskId: bytes32,
  response: bytes32,
  payout: address,
  amount: uint(128),
  completedAt: timestamp,
});

export type ResultJson = z.input<typeof resultJson>;

/** Wire shape of a result with the enclave's signature. */
export const signedResultJson = z.strictObject({ result: resultJson, nodeSignature: bytes });

export type SignedResult = z.output<typeof signedResultJson>;
export type SignedResultJson = z.input<typeof signedResultJson>;

/** Writes a result for the wire. */
export function resultToJson(result: Result): ResultJson {
  return { ...result, amount: result.amount.toString() };
}

/** `sha256("OPG/response/1" || salt || outputDigest)`, with the salt of the request. */
export function responseDigest(salt: string, outputDigest: string): string {
  return sha256(concat([toUtf8Bytes("OPG/response/1"), salt, outputDigest]));
}

/** What the node's enclave signs. */
export function resultTypedData(result: Result, settlement: Domain) {
  return { domain: settlementDomain(settlement), types: typesOf("Result"), value: result };
}

const hashResult = structHash(typesOf("Result"), "Result");

/** EIP-712 digest of a result in Settlement's domain: what verdicts are about. */
export function resultHashOf(result: Result, settlement: Domain): string {
  return resultHasher(settlement)(result);
}

/**
 * The same for who hashes many results: the domain is hashed once.
 *
 * @param keccak - where a faster one than ethers' is at hand
 */
export function resultHasher(settlement: Domain, keccak: Keccak = portableKeccak): (result: Result) => string {
  const separator = domainSeparator(settlementDomain(settlement));
  return (result) => signedDigest(separator, hashResult(result, keccak), keccak);
}
