import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import type { InferRequestJson } from "#protocol/request.ts";
import { stockClient } from "#test/integration/stockClient.ts";
import { serveChain } from "#test/node/serveChain.ts";
import { someInputs } from "./doublingModel.ts";
import type { GatewayFixture } from "./gatewayFixture.ts";
import { infer } from "./paidRequest.ts";

/** A request as a stock client's user sends it: the gateway chooses salt and nonce. */
export const plainRequest: InferRequestJson = { model: "doubling", inputs: someInputs };

/** x402's unmodified client for the fixture's payer, and how it makes the header of a payment. */
export async function startStockPayer(fixture: GatewayFixture) {
  const chain = await serveChain(fixture.connection);
  const client = stockClient({ ...fixture.network, rpcUrl: chain.url }, fixture.wallets.payer);

  /** Signs an offer; without one, asks for it first. `alter` changes the payment before it is encoded. */
  async function pay({ body = plainRequest, required, alter }: StockPayment = {}): Promise<string> {
    const offer =
      required ?? decodePaymentRequiredHeader((await infer(fixture, body)).headers.get("payment-required") ?? "");
    const payload = structuredClone(await client.createPaymentPayload(offer));
    alter?.(payload);
    return encodePaymentSignatureHeader(payload);
  }
  return { client, pay, stop: () => chain.close() };
}

export type StockPayer = Awaited<ReturnType<typeof startStockPayer>>;

/** What differs from a first payment for {@link plainRequest}. */
export interface StockPayment {
  body?: InferRequestJson;
  required?: PaymentRequired;
  alter?: (payload: PaymentPayload) => void;
}

/** Marks a payment with an identifier of the client's choice. */
export function identified(id: string): (payload: PaymentPayload) => void {
  return ({ extensions }) => {
    const { info } = extensions?.["payment-identifier"] as { info: Record<string, unknown> };
    info["id"] = id;
  };
}
