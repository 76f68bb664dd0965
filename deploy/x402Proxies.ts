import type { EthereumProvider } from "hardhat/types/providers";
import { OpgError } from "#protocol/errors.ts";
import { proxyAddresses, type ProxyScheme, proxySchemes } from "#protocol/proxyPayment.ts";
import { hasCode } from "./permit2.ts";

/**
 * Puts our implementation of x402's proxies where stock clients expect them, on a local chain; does nothing where they are
 * already.
 *
 * @param runtimeCode - of each scheme's proxy
 */
export async function placeProxies(
  provider: EthereumProvider,
  runtimeCode: Readonly<Record<ProxyScheme, string>>,
): Promise<void> {
  for (const scheme of proxySchemes) {
    if (await hasCode(provider, proxyAddresses[scheme])) continue;
    await provider.request({ method: "hardhat_setCode", params: [proxyAddresses[scheme], runtimeCode[scheme]] });
  }
}

/** @throws OpgError `configuration` when the chain lacks one of x402's proxies */
export async function requireProxies(provider: EthereumProvider): Promise<void> {
  for (const scheme of proxySchemes) {
    const proxy = proxyAddresses[scheme];
    if (await hasCode(provider, proxy)) continue;
    throw new OpgError(
      "configuration",
      `The chain has no x402 proxy for the scheme "${scheme}" at ${proxy}; choose one that has.`,
      { scheme, proxy },
    );
  }
}
