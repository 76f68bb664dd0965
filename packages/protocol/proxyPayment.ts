import { z } from "zod";
import { address, bytes, uint } from "./hex.ts";
import { type PaymentTypedData, permit2Domain, permit2Separator } from "./payment.ts";
import { type Keccak, portableKeccak, signedDigest, structHash, type StructHash } from "./structHash.ts";
import type { TypedDataField } from "./typedData.ts";

/** x402's own schemes that are paid by way of a proxy of Permit2: `exact` moves all of the amount, `upto` a part of it. */
export const proxySchemes = ["exact", "upto"] as const;

export type ProxyScheme = (typeof proxySchemes)[number];

/** Addresses of x402's proxies, the same on every chain; clients have them built in. */
export const proxyAddresses: Readonly<Record<ProxyScheme, string>> = {
  exact: "0x402085c248EeA27D92E8b30b2C58ed07f9E20001",
  upto: "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002",
};

/** What a payer signs under `exact` or `upto`: a Permit2 transfer by the scheme's proxy. */
export interface ProxyAuthorization {
  from: string;
  permitted: { token: string; amount: bigint };
  spender: string;
  nonce: bigint;
  /** Seconds since 1970. */
  deadline: bigint;
  witness: {
    /** Who is paid. */
    to: string;
    /** Who alone may settle; only under `upto`. */
    facilitator?: string;
    /** Seconds since 1970; not to be settled before. */
    validAfter: bigint;
  };
}

const authorizationShape = {
  from: address,
  permitted: z.strictObject({ token: address, amount: uint(256) }),
  spender: address,
  nonce: uint(256),
  deadline: uint(256),
};
const exactWitnessJson = z.strictObject({ to: address, validAfter: uint(256) });
const uptoWitnessJson = z.strictObject({ to: address, facilitator: address, validAfter: uint(256) });

/** `payload` of an x402 payment by Permit2, by scheme. */
export const proxyPayloadJson = {
  exact: z.strictObject({
    signature: bytes,
    permit2Authorization: z.strictObject({ ...authorizationShape, witness: exactWitnessJson }),
  }),
  upto: z.strictObject({
    signature: bytes,
    permit2Authorization: z.strictObject({ ...authorizationShape, witness: uptoWitnessJson }),
  }),
} satisfies Record<ProxyScheme, z.ZodType>;

/** A signed authorization. */
export interface ProxyPayload {
  signature: string;
  permit2Authorization: ProxyAuthorization;
}

const permitFields: TypedDataField[] = [
  { name: "permitted", type: "TokenPermissions" },
  { name: "spender", type: "address" },
  { name: "nonce", type: "uint256" },
  { name: "deadline", type: "uint256" },
  { name: "witness", type: "Witness" },
];
const tokenPermissions: TypedDataField[] = [
  { name: "token", type: "address" },
  { name: "amount", type: "uint256" },
];

/** Members of x402's `Witness`, by scheme. */
export const witnessFields: Readonly<Record<ProxyScheme, readonly TypedDataField[]>> = {
  exact: [
    { name: "to", type: "address" },
    { name: "validAfter", type: "uint256" },
  ],
  upto: [
    { name: "to", type: "address" },
    { name: "facilitator", type: "address" },
    { name: "validAfter", type: "uint256" },
  ],
};

function typesOf(scheme: ProxyScheme): Record<string, TypedDataField[]> {
  return {
    PermitWitnessTransferFrom: permitFields,
    TokenPermissions: tokenPermissions,
    Witness: [...witnessFields[scheme]],
  };
}

/** What the payer signs, as x402 defines it. Permit2's domain has no version. */
export function proxyTypedData(
  scheme: ProxyScheme,
  { permitted, spender, nonce, deadline, witness }: ProxyAuthorization,
  chainId: bigint,
): PaymentTypedData {
  const value = { permitted, spender, nonce, deadline, witness };
  return { domain: permit2Domain(chainId), types: typesOf(scheme), value };
}

const hashes: Readonly<Record<ProxyScheme, StructHash>> = {
  exact: structHash(typesOf("exact"), "PermitWitnessTransferFrom"),
  upto: structHash(typesOf("upto"), "PermitWitnessTransferFrom"),
};

/**
 * Digest that the payer signs.
 *
 * @param keccak - where a faster one than ethers' is at hand
 */
export function proxyPaymentDigest(
  scheme: ProxyScheme,
  authorization: ProxyAuthorization,
  chainId: bigint,
  keccak: Keccak = portableKeccak,
): string {
  return signedDigest(permit2Separator(chainId), hashes[scheme](authorization, keccak), keccak);
}

/** Writes a signed authorization for the wire, where {@link proxyPayloadJson} reads it. */
export function proxyPayloadToJson({ signature, permit2Authorization }: ProxyPayload) {
  const { permitted, nonce, deadline, witness, ...parties } = permit2Authorization;
  return {
    signature,
    permit2Authorization: {
      ...parties,
      permitted: { token: permitted.token, amount: permitted.amount.toString() },
      nonce: nonce.toString(),
      deadline: deadline.toString(),
      witness: { ...witness, validAfter: witness.validAfter.toString() },
    },
  };
}
