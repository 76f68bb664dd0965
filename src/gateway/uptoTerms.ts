import type { PaymentRequirements } from "@x402/core/types";
import { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import { address, bytes32, uint } from "#protocol/hex.ts";
import { caip2 } from "#protocol/network.ts";
import { facilitatorOf } from "./facilitatorOf.ts";
import type { Gateway } from "./gateway.ts";

/** x402's own scheme for a charge that is known afterwards. */
export const UPTO_SCHEME = "upto";

const MAX_SHOWN_CHARACTERS = 80;

/** x402's requirements of scheme `upto` as a gateway offers them. */
export const uptoRequirementsJson = z.object({
  scheme: z.literal(UPTO_SCHEME),
  network: z.string(),
  amount: uint(128),
  asset: address,
  /** TaskEscrow. */
  payTo: address,
  maxTimeoutSeconds: z.int().min(1),
  extra: z.object({
    /** Name and version of the token's EIP-712 domain, to sign an EIP-2612 permit with. */
    name: z.string(),
    version: z.string(),
    assetTransferMethod: z.literal("permit2"),
    /** The facilitator's entry, which alone may settle. */
    facilitatorAddress: address,
    salt: bytes32,
    /** Salted digest of version and inputs: the offer is good for these. */
    request: bytes32,
  }),
});

/** What an offer of scheme `upto` depends on. */
export interface UptoOffer {
  /** Price ceiling, atomic units. */
  price: bigint;
  salt: string;
  /** Salted digest of version and inputs. */
  request: string;
}

/** x402's requirements under `upto`. The gateway keeps none: the same request gives the same ones again. */
export function uptoRequirementsOf(
  gateway: Pick<Gateway, "network" | "settings" | "token">,
  { price, salt, request }: UptoOffer,
): PaymentRequirements {
  const { network, settings, token } = gateway;
  const { opg, taskEscrow } = network.contracts;
  return {
    scheme: UPTO_SCHEME,
    network: caip2(network),
    amount: price.toString(),
    asset: opg,
    payTo: taskEscrow,
    maxTimeoutSeconds: settings.taskSeconds + network.parameters.settleWindowSeconds,
    extra: {
      name: token.name,
      version: token.version,
      assetTransferMethod: "permit2",
      facilitatorAddress: facilitatorOf(network).entry,
      salt,
      request,
    },
  };
}

/**
 * Checks that what a client accepted is what is offered: every declared field alike; a client may add to `extra`.
 *
 * @throws OpgError `task_request_mismatch`, `task_terms_mismatch` naming the field
 */
export function checkAccepted(accepted: PaymentRequirements, offered: PaymentRequirements): void {
  if (accepted.extra["request"] !== offered.extra["request"]) throw requestMismatch();
  const { extra: acceptedExtra, ...acceptedCore } = accepted;
  const { extra, ...core } = offered;
  requireSame("", acceptedCore, core);
  requireSame("extra.", acceptedExtra, extra);
}

/** The error for a payment that came with another request than it was offered or first used for. */
export function requestMismatch(): OpgError {
  const message =
    "The payment is for another request; send the very model, inputs and salt that it was offered for, or ask for a new offer.";
  return new OpgError("task_request_mismatch", message);
}

function requireSame(prefix: string, have: Record<string, unknown>, need: Record<string, unknown>): void {
  const field = Object.keys(need).find((name) => have[name] !== need[name]);
  if (field === undefined) return;
  const values = { field: `accepted.${prefix}${field}`, have: shown(have[field]), need: shown(need[field]) };
  const message = `The payment's ${values.field} is ${values.have} and must be ${values.need}; accept an offer as it is.`;
  throw new OpgError("task_terms_mismatch", message, values);
}

/** Anything may stand there: what a reader needs to recognise it, and no more. */
function shown(value: unknown): string {
  return value === undefined ? "missing" : JSON.stringify(value).slice(0, MAX_SHOWN_CHARACTERS);
}
