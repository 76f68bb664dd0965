import { z } from "zod";
import { checksumAddress } from "./checksumAddress.ts";

/** `0x` followed by 64 hex digits. */
export const bytes32 = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, "must be 0x and 64 hex digits")
  .toLowerCase();

/** `0x` and an even number of hex digits. */
export const bytes = z
  .string()
  .regex(/^0x([0-9a-fA-F]{2})*$/, "must be 0x and an even number of hex digits")
  .max(20_000)
  .toLowerCase();

/** An address, in any case or checksummed; read as its checksummed form. */
export const address = z.string().transform((text, context) => {
  try {
    return checksumAddress(text);
  } catch {
    context.addIssue({ code: "custom", message: "must be an address: 0x and 40 hex digits" });
    return z.NEVER;
  }
});

/** An unsigned integer as a decimal string without sign, spaces or leading zeros; read as bigint. */
export function uint(bits: number) {
  return z
    .string()
    .regex(/^(0|[1-9][0-9]{0,77})$/, "must be a decimal string")
    .transform((text) => BigInt(text))
    .refine((value) => value < 1n << BigInt(bits), `must be below 2^${bits}`);
}

/** Seconds since 1970, at most uint40. */
export const timestamp = z
  .int()
  .min(0)
  .max(2 ** 40 - 1);
