import { TASK_SCHEME } from "#protocol/payment.ts";
import { type CheckResult, firstRefusal, passed, refused } from "./check.ts";
import type { PaymentTerms } from "./payment.ts";

/** What is said about a payment before its scheme is known. */
export interface PaymentEnvelope {
  x402Version: number;
  /** Of the payload's `accepted` and of the requirements. */
  schemes: readonly string[];
  networks: readonly string[];
}

/** Version, scheme and network, in that order: after them the payload can be read. */
export function checkEnvelope(envelope: PaymentEnvelope, terms: Pick<PaymentTerms, "network">): CheckResult {
  return firstRefusal([
    () => checkX402Version(envelope),
    () => checkScheme(envelope),
    () => checkNetwork(envelope, terms),
  ]);
}

function checkX402Version({ x402Version }: Pick<PaymentEnvelope, "x402Version">): CheckResult {
  if (x402Version === 2) return passed;
  return refused("invalid_x402_version", `x402 version ${x402Version} is not spoken here; send version 2.`, {
    x402Version,
  });
}

function checkScheme({ schemes }: Pick<PaymentEnvelope, "schemes">): CheckResult {
  const other = schemes.find((scheme) => scheme !== TASK_SCHEME);
  if (other === undefined) return passed;
  return refused("unsupported_scheme", `Scheme "${other}" is not taken here; pay with scheme "${TASK_SCHEME}".`, {
    have: other,
    need: TASK_SCHEME,
  });
}

function checkNetwork(
  { networks }: Pick<PaymentEnvelope, "networks">,
  { network }: Pick<PaymentTerms, "network">,
): CheckResult {
  const other = networks.find((name) => name !== network);
  if (other === undefined) return passed;
  return refused("invalid_network", `The payment is for network ${other}; pay on ${network}.`, {
    have: other,
    need: network,
  });
}
