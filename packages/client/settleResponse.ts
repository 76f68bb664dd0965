import { decodePaymentResponseHeader } from "@x402/core/http";
import { z } from "zod";
import { uint } from "../protocol/hex.ts";

const MAX_HEADER_CHARACTERS = 65_536;

const settleResponseJson = z.looseObject({
  success: z.boolean(),
  errorReason: z.string().optional(),
  payer: z.string().optional(),
  transaction: z.string().regex(/^(0x[0-9a-fA-F]{64})?$/),
  network: z.string(),
  amount: uint(256).optional(),
});

/** What a server says about the settlement of a payment. */
export type SettleResponse = z.output<typeof settleResponseJson>;

/** What an answer's header PAYMENT-RESPONSE says; nothing where it says nothing that can be read. */
export function readSettleResponse(headers: Headers): SettleResponse | undefined {
  const header = headers.get("payment-response");
  if (header === null || header.length > MAX_HEADER_CHARACTERS) return undefined;
  try {
    return settleResponseJson.safeParse(decodePaymentResponseHeader(header)).data;
  } catch {
    return undefined;
  }
}

/**
 * The settlement of one's own payment, as far as the server's word on it can be true: of this payer, on this chain, for no
 * more than was signed.
 */
export function readSettlement(
  headers: Headers,
  payment: { payer: string; network: string; amount: bigint },
): { transaction: string; amount: bigint } | null {
  const said = readSettleResponse(headers);
  if (!said?.success || said.network !== payment.network) return null;
  if (said.payer !== undefined && said.payer.toLowerCase() !== payment.payer.toLowerCase()) return null;
  const amount = said.amount ?? payment.amount;
  return amount <= payment.amount ? { transaction: said.transaction, amount } : null;
}
