import type { ErrorCode } from "#protocol/errors.ts";
import { type ProxyScheme, proxySchemes } from "#protocol/proxyPayment.ts";
import { type CheckResult, firstRefusal, passed, refused } from "./check.ts";
import type { PaymentEnvelope } from "./checkEnvelope.ts";
import type { ProxyTerms } from "./proxyPayment.ts";

const schemeMismatch = { exact: "unsupported_payload_type", upto: "invalid_upto_evm_scheme" } as const satisfies Record<
  ProxyScheme,
  ErrorCode
>;
const networkMismatch = {
  exact: "invalid_exact_evm_network_mismatch",
  upto: "invalid_upto_evm_network_mismatch",
} as const satisfies Record<ProxyScheme, ErrorCode>;

/** Version, scheme and network, in that order: after them the payload can be read. The schemes' first is the merchant's. */
export function checkProxyEnvelope(envelope: PaymentEnvelope, { network }: Pick<ProxyTerms, "network">): CheckResult {
  const scheme = proxySchemeOf(envelope);
  return firstRefusal([
    () => checkVersion(envelope),
    () => checkScheme(envelope, scheme),
    () => checkNetwork(envelope, scheme, network),
  ]);
}

/** The scheme that a merchant asks to be paid by; nothing for one that is not served. */
export function proxySchemeOf({ schemes }: Pick<PaymentEnvelope, "schemes">): ProxyScheme | undefined {
  return proxySchemes.find((known) => known === schemes[0]);
}

function checkVersion({ x402Version }: PaymentEnvelope): CheckResult {
  if (x402Version === 2) return passed;
  return refused("invalid_x402_version", `x402 version ${x402Version} is not spoken here; send version 2.`, {
    x402Version,
  });
}

function checkScheme({ schemes }: PaymentEnvelope, scheme: ProxyScheme | undefined): CheckResult {
  const [asked = "", paid = ""] = schemes;
  const need = proxySchemes.join(" or ");
  if (!scheme) {
    const code = paid === "upto" ? schemeMismatch.upto : "unsupported_scheme";
    return refused(code, `Scheme "${asked}" is not settled here; ask for ${need}.`, { have: asked, need });
  }
  if (paid === scheme) return passed;
  const words = `The payment is of scheme "${paid}", asked for is "${scheme}"; pay with that.`;
  return refused(schemeMismatch[scheme], words, { have: paid, need: scheme });
}

function checkNetwork({ networks }: PaymentEnvelope, scheme: ProxyScheme | undefined, network: string): CheckResult {
  const other = networks.find((name) => name !== network);
  if (other === undefined || !scheme) return passed;
  const words = `The payment is for network ${other}; pay on ${network}.`;
  return refused(networkMismatch[scheme], words, { have: other, need: network });
}
