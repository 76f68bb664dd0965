import { concat, keccak256, TypedDataEncoder } from "ethers";
import { z } from "zod";
import { address, bytes, uint } from "./hex.ts";
import { PERMIT2, type PaymentTypedData } from "./payment.ts";
import { permitTypes } from "./tokenTypes.ts";

/** Name of the x402 extension by which a facilitator submits a payer's EIP-2612 permit, so that the payer needs no gas. */
export const GAS_SPONSORING = "eip2612GasSponsoring";

/** A payer's EIP-2612 permit that lets Permit2 move tokens, in x402's words. */
export interface AllowancePermit {
  /** Owner of the tokens. */
  from: string;
  /** The token. */
  asset: string;
  /** Always Permit2. */
  spender: string;
  /** The allowance that replaces the present one, atomic units. */
  amount: bigint;
  /** The owner's nonce at the token, not Permit2's. */
  nonce: bigint;
  /** Seconds since 1970. */
  deadline: bigint;
  /** By `from`, as 65 bytes. */
  signature: string;
}

const text = (pattern: string, description: string) => ({ type: "string", pattern, description });

/** What a 402 says under {@link GAS_SPONSORING} in `extensions`. Clients send it back with the permit's fields in `info`. */
export const gasSponsoringDeclaration = {
  info: { description: "The facilitator submits an EIP-2612 permit for Permit2 and pays its gas.", version: "1" },
  schema: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: {
      from: text("^0x[a-fA-F0-9]{40}$", "Owner of the tokens."),
      asset: text("^0x[a-fA-F0-9]{40}$", "The token."),
      spender: text("^0x[a-fA-F0-9]{40}$", "Permit2."),
      amount: text("^[0-9]+$", "Allowance in atomic units; at least the amount of the payment."),
      nonce: text("^[0-9]+$", "The owner's nonce at the token."),
      deadline: text("^[0-9]+$", "Seconds since 1970 until which the permit may be submitted."),
      signature: text("^0x[a-fA-F0-9]+$", "Signature of the permit, 65 bytes."),
      version: text("^[0-9]+(\\.[0-9]+)*$", "Version of this extension."),
    },
    required: ["from", "asset", "spender", "amount", "nonce", "deadline", "signature", "version"],
  },
} as const;

const permitFields = ["from", "asset", "spender", "amount", "nonce", "deadline", "signature"] as const;

const permitJson = z.looseObject({
  from: address,
  asset: address,
  spender: address,
  amount: uint(256),
  nonce: uint(256),
  deadline: uint(256),
  signature: bytes,
  version: z.string().regex(/^[0-9]+(\.[0-9]+)*$/),
});

/**
 * The permit among the `extensions` of a payment payload. A schema that was sent along is not looked at.
 *
 * @returns `absent` also where a client only repeats what the 402 declared; `malformed` for fields that cannot be read
 */
export function allowancePermitIn(extensions: unknown): AllowancePermit | "absent" | "malformed" {
  const info = memberOf(memberOf(extensions, GAS_SPONSORING), "info");
  if (permitFields.every((field) => memberOf(info, field) === undefined)) return "absent";
  const parsed = permitJson.safeParse(info);
  if (!parsed.success) return "malformed";
  const { from, asset, spender, amount, nonce, deadline, signature } = parsed.data;
  return { from, asset, spender, amount, nonce, deadline, signature };
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

/** Writes a permit for a payload's `extensions`, under {@link GAS_SPONSORING}. */
export function allowancePermitToJson({ amount, nonce, deadline, ...permit }: AllowancePermit) {
  const numbers = { amount: amount.toString(), nonce: nonce.toString(), deadline: deadline.toString() };
  return { info: { ...permit, ...numbers, version: "1" } };
}

/** A token's own EIP-712 domain, which x402's requirements name in `extra`. */
export interface TokenDomain {
  name: string;
  version: string;
  chainId: bigint;
}

/** What the owner signs (EIP-2612), Permit2 being the spender. */
export function allowancePermitTypedData(
  permit: Omit<AllowancePermit, "signature" | "spender">,
  domain: TokenDomain,
): PaymentTypedData {
  return { domain: { ...domain, verifyingContract: permit.asset }, types: permitTypes, value: signedValue(permit) };
}

/** Digest that the owner signed, under what the token answers for `DOMAIN_SEPARATOR()`. */
export function allowancePermitDigest(permit: AllowancePermit, domainSeparator: string): string {
  const message = TypedDataEncoder.hashStruct("Permit", permitTypes, signedValue(permit));
  return keccak256(concat(["0x1901", domainSeparator, message]));
}

function signedValue({ from, amount, nonce, deadline }: Omit<AllowancePermit, "signature" | "spender">) {
  return { owner: from, spender: PERMIT2, value: amount, nonce, deadline };
}
