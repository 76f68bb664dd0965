import { type CheckResult, firstRefusal, passed, refused } from "./check.ts";
import type { PaymentTerms } from "./payment.ts";

/** Schemes that tasks are paid with. */
export const taskSchemes = ["task", "prefunded", "upto"] as const;

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
  const other = schemes.find((scheme) => scheme !== schemes[0] || !taskSchemes.some((taken) => taken === scheme));
  if (other === undefined) return passed;
  const need = `${taskSchemes.slice(0, -1).join(", ")} or ${taskSchemes.at(-1)}`;
  const message = `Scheme "${other}" does not pay for this task; pay with ${need}, and name one of them throughout.`;
  return refused("unsupported_scheme", message, { have: other, need });
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
