import type { SupportedResponse } from "@x402/core/types";
import type { ProxyTerms } from "#facilitator/checks/proxyPayment.ts";
import { GAS_SPONSORING } from "#protocol/gasSponsoring.ts";
import { TASK_SCHEME } from "#protocol/payment.ts";
import { PAYMENT_IDENTIFIER } from "#protocol/paymentIdentifier.ts";

/** Answer of `GET /supported`. Merchants' servers copy a kind's `extra` into what they ask for. */
export function supportedKinds({ network, facilitator, entry }: ProxyTerms): SupportedResponse {
  const kind = (scheme: string, extra: Record<string, unknown>) => ({
    x402Version: 2 as const,
    scheme,
    network: network as SupportedResponse["kinds"][number]["network"],
    extra,
  });
  return {
    kinds: [
      kind("upto", { facilitatorAddress: facilitator }),
      kind("exact", { assetTransferMethod: "permit2" }),
      kind(TASK_SCHEME, { facilitator, entry }),
    ],
    extensions: [PAYMENT_IDENTIFIER, GAS_SPONSORING],
    signers: { "eip155:*": [facilitator] },
  };
}
