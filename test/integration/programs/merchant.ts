import { HTTPFacilitatorClient, type RoutesConfig, x402ResourceServer } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { UptoEvmScheme } from "@x402/evm/upto/server";
import { declareEip2612GasSponsoringExtension } from "@x402/extensions";
import { caip2 } from "#protocol/network.ts";
import { loadNetwork } from "#service/loadNetwork.ts";

/** What the merchant asks for a call, atomic units of OPG. */
export const PRICE = 1_000n;
/** What it charges of that under `upto`. */
export const CHARGE = 400n;

/** Routes that a merchant sells, each with x402's own server schemes. */
export async function merchantRoutes(environment: NodeJS.ProcessEnv) {
  const network = await loadNetwork(environment["OPG_NETWORK"] ?? "");
  const offer = (scheme: string) => ({
    accepts: {
      scheme,
      network: caip2(network),
      payTo: environment["MERCHANT_PAY_TO"] ?? "",
      price: {
        asset: network.contracts.opg,
        amount: PRICE.toString(),
        extra: { name: "OPG", version: "1", assetTransferMethod: "permit2" },
      },
    },
    extensions: declareEip2612GasSponsoringExtension(),
  });
  const routes: RoutesConfig = {
    "GET /exact": offer("exact"),
    "GET /upto": offer("upto"),
    "GET /nothing": offer("upto"),
    "GET /failing": offer("upto"),
  };
  const facilitator = new HTTPFacilitatorClient({ url: environment["MERCHANT_FACILITATOR"] ?? "" });
  const server = new x402ResourceServer(facilitator)
    .register(caip2(network), new ExactEvmScheme())
    .register(caip2(network), new UptoEvmScheme());
  return { routes, server };
}
