import { z } from "zod";
import { batchReceiptJson } from "./batch.ts";
import { address, bytes32 } from "./hex.ts";

/** Headers of a request for receipts: until when it is good, seconds since 1970, and the party's signature. */
export const receiptsHeaders = { validUntil: "receipts-valid-until", signature: "receipts-signature" } as const;

/** A request for receipts is good for at most so long. */
export const MAX_RECEIPTS_REQUEST_SECONDS = 600;

/**
 * What a payer, or the address that nodes are paid out to, signs as a plain message (ERC-191) to be shown its receipts of a
 * batch: other parties' are none of its business.
 */
export function receiptsMessage(batchId: string, party: string, validUntil: number): string {
  return `Show me the receipts of batch ${batchId} to which ${party} is a party. Good until ${validUntil}.`;
}

/** A receipt with what its leaf leaves out. */
export const partyReceiptJson = z.strictObject({
  receipt: batchReceiptJson,
  /** versionId. */
  model: bytes32,
  node: address,
});

/** The receipts of a batch to which somebody is a party. */
export const partyReceiptsJson = z.strictObject({ batchId: bytes32, receipts: z.array(partyReceiptJson) });

export type PartyReceipts = z.output<typeof partyReceiptsJson>;
export type PartyReceiptsJson = z.input<typeof partyReceiptsJson>;
