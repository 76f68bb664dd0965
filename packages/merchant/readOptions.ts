import type { RouteConfig } from "@x402/core/server";
import { OpgError } from "../protocol/errors.ts";
import { GAS_SPONSORING, gasSponsoringDeclaration } from "../protocol/gasSponsoring.ts";
import { address } from "../protocol/hex.ts";
import type { MerchantOptions, PaidRoute } from "./options.ts";
import { SETTLE_SECONDS } from "./paidAnswer.ts";

const DEFAULT_SECONDS = 600;

/** Routes as x402's server takes them, and which of ours each is. */
export interface ReadRoutes {
  configs: Record<string, RouteConfig>;
  routeOf: (config: RouteConfig) => PaidRoute | undefined;
}

/** Turns options into routes of x402's server. @throws OpgError `configuration` naming the option */
export function readOptions(options: MerchantOptions): ReadRoutes {
  const { facilitator, network, routes } = options;
  if (!URL.canParse(facilitator)) throw wrong("facilitator", "give a URL such as https://facilitator.example");
  if (!/^eip155:[0-9]+$/.test(network)) throw wrong("network", "give the chain's CAIP-2 name, such as eip155:8453");
  const terms = {
    asset: readAddress("asset.address", options.asset.address),
    payTo: readAddress("payTo", options.payTo),
  };
  const sold = new Map<RouteConfig, PaidRoute>();
  const configs: Record<string, RouteConfig> = {};
  for (const [pattern, route] of Object.entries(routes)) {
    const config = configOf(options, terms, pattern, route);
    sold.set(config, route);
    configs[pattern] = config;
  }
  return { configs, routeOf: (config) => sold.get(config) };
}

function configOf(
  { network, asset: { name, version } }: MerchantOptions,
  { asset, payTo }: { asset: string; payTo: string },
  pattern: string,
  { scheme, amount, charge, maxTimeoutSeconds = DEFAULT_SECONDS, description, mimeType }: PaidRoute,
): RouteConfig {
  const least = 2 * SETTLE_SECONDS;
  if (amount <= 0n) throw wrong(`routes["${pattern}"].amount`, "ask for at least 1");
  if (scheme === "exact" && charge) throw wrong(`routes["${pattern}"].charge`, `charge by scheme "upto"`);
  if (!(maxTimeoutSeconds >= least)) throw wrong(`routes["${pattern}"].maxTimeoutSeconds`, `ask for at least ${least}`);
  const extra = { name, version, assetTransferMethod: "permit2" };
  return {
    accepts: { scheme, network, payTo, maxTimeoutSeconds, price: { asset, amount: amount.toString(), extra } },
    ...(description === undefined ? {} : { description }),
    ...(mimeType === undefined ? {} : { mimeType }),
    extensions: { [GAS_SPONSORING]: gasSponsoringDeclaration },
  };
}

function readAddress(option: string, given: string): string {
  const parsed = address.safeParse(given);
  if (parsed.success) return parsed.data;
  throw wrong(option, "give an address: 0x and 40 hex digits");
}

function wrong(option: string, remedy: string): OpgError {
  return new OpgError("configuration", `The option ${option} cannot be used; ${remedy}.`, { option });
}
