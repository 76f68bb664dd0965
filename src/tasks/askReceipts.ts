import type { BaseWallet } from "ethers";
import type { SettledBatch } from "#chain/batches.ts";
import type { Network } from "#protocol/network.ts";
import {
  MAX_RECEIPTS_REQUEST_SECONDS,
  type PartyReceipts,
  partyReceiptsJson,
  receiptsHeaders,
  receiptsMessage,
} from "#protocol/partyReceipts.ts";
import { httpCall } from "#service/httpCall.ts";

const TIMEOUT_SECONDS = 60;

/** Asks the facilitator of a batch for one's own receipts in it. @throws OpgError the facilitator's */
export async function askReceipts(
  { facilitators }: Network,
  { batchId, facilitator }: SettledBatch,
  party: BaseWallet,
): Promise<PartyReceipts["receipts"]> {
  const url = facilitators.find(({ address }) => address === facilitator)?.url ?? "";
  const validUntil = Math.floor(Date.now() / 1000) + MAX_RECEIPTS_REQUEST_SECONDS / 2;
  const signature = await party.signMessage(receiptsMessage(batchId, party.address, validUntil));
  const { receipts } = await httpCall({
    method: "GET",
    url: `${url}/batches/${batchId}/receipts/${party.address}`,
    headers: { [receiptsHeaders.validUntil]: String(validUntil), [receiptsHeaders.signature]: signature },
    answer: partyReceiptsJson,
    timeoutSeconds: TIMEOUT_SECONDS,
    unavailable: "facilitator_unavailable",
  });
  return receipts;
}
