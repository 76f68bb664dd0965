import { z } from "zod";
import { bytes, uint } from "./hex.ts";
import { domainSeparator, type Keccak, portableKeccak, signedDigest, structHash } from "./structHash.ts";
import { type Domain, taskEscrowDomain, typesOf } from "./typedData.ts";

/**
 * How much a facilitator's batches may ever take from a payer's account there: a ceiling over its whole life, so a later voucher
 * raises it and none can lower it. Signed by the account's authorizer, which is the payer unless another key was set.
 */
export interface Voucher {
  payer: string;
  facilitator: string;
  /** Atomic units, cumulative. */
  cap: bigint;
}

/** Wire shape of a voucher's cap and signature; payer and facilitator follow from what it comes with. */
export const signedCapJson = z.strictObject({ cap: uint(128), signature: bytes });

export type SignedCap = z.output<typeof signedCapJson>;
export type SignedCapJson = z.input<typeof signedCapJson>;

/** What the authorizer signs. */
export function voucherTypedData(voucher: Voucher, taskEscrow: Domain) {
  return { domain: taskEscrowDomain(taskEscrow), types: typesOf("Voucher"), value: { ...voucher } };
}

const hashVoucher = structHash(typesOf("Voucher"), "Voucher");

/**
 * Digest that the authorizer signs.
 *
 * @param keccak - where a faster one than ethers' is at hand
 */
export function voucherDigest(voucher: Voucher, taskEscrow: Domain, keccak: Keccak = portableKeccak): string {
  return signedDigest(domainSeparator(taskEscrowDomain(taskEscrow)), hashVoucher(voucher, keccak), keccak);
}
