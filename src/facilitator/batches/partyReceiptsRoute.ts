import type { Hono } from "hono";
import { verifyMessage } from "ethers";
import { z } from "zod";
import { batchReceiptToJson } from "#protocol/batch.ts";
import { OpgError } from "#protocol/errors.ts";
import { address, bytes32 } from "#protocol/hex.ts";
import {
  MAX_RECEIPTS_REQUEST_SECONDS,
  type PartyReceiptsJson,
  receiptsHeaders,
  receiptsMessage,
} from "#protocol/partyReceipts.ts";
import type { Clock } from "#service/clock.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";

const requestJson = z.object({
  batchId: bytes32,
  party: address,
  validUntil: z.coerce.number().int(),
  signature: z.string(),
});

/** `GET /batches/{batchId}/receipts/{party}`: a party's own receipts of a settled batch, for who signs as that party. */
export function addPartyReceiptsRoute(app: Hono, { store, clock }: { store: FacilitatorStore; clock: Clock }): void {
  app.get("/batches/:batchId/receipts/:party", async (context) => {
    const { batchId, party, validUntil, signature } = readRequest({
      ...context.req.param(),
      validUntil: context.req.header(receiptsHeaders.validUntil),
      signature: context.req.header(receiptsHeaders.signature),
    });
    const now = clock();
    const isInTime = now <= validUntil && validUntil <= now + MAX_RECEIPTS_REQUEST_SECONDS;
    if (!isInTime || signerOf(receiptsMessage(batchId, party, validUntil), signature) !== party)
      throw notEntitled(party);
    return context.json(await receiptsOf(store, batchId, party));
  });
}

async function receiptsOf(store: FacilitatorStore, batchId: string, party: string): Promise<PartyReceiptsJson> {
  const batch = await store.findBatch(batchId);
  if (batch?.state !== "settled") {
    const message = `Batch ${batchId} is not settled here; ask the facilitator whose batch it is.`;
    throw new OpgError("not_settled_yet", message, { batchId });
  }
  const own = await store.partyReceipts(batchId, party);
  return { batchId, receipts: own.map(({ receipt, ...task }) => ({ receipt: batchReceiptToJson(receipt), ...task })) };
}

function readRequest(given: unknown): z.output<typeof requestJson> {
  const parsed = requestJson.safeParse(given);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new OpgError("invalid_body", `The request for receipts has a wrong "${field}"; sign it anew.`, { field });
}

function signerOf(message: string, signature: string): string | undefined {
  try {
    return verifyMessage(message, signature);
  } catch {
    return undefined;
  }
}

function notEntitled(party: string): OpgError {
  const message = `Receipts are shown to their parties only; sign the request as ${party}, good for ten minutes at most.`;
  return new OpgError("invalid_signature", message, { party });
}
