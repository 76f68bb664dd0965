import { OpgError } from "../protocol/errors.ts";
import { address } from "../protocol/hex.ts";
import { caip2, type Network } from "../protocol/network.ts";
import type { AccountOptions } from "./accountOptions.ts";

/** No batch carries a higher cap. */
const MAX_CAP = 2n ** 96n - 1n;

/** Which account, and within which bounds it pays. */
export interface AccountTerms {
  /** Checksummed. */
  payer: string;
  /** Checksummed. */
  facilitator: string;
  /** Name of chain and payer together, such as `eip155:8453:0x...`. */
  account: string;
  taskEscrow: string;
  maxAtStake: bigint;
  maxCap: bigint;
}

/** Finds the account that is meant on a network. @throws OpgError `configuration` */
export function accountTermsOf(options: Partial<AccountOptions>, network: Network, signer: string): AccountTerms {
  const { maxAtStake = 0n, maxCap = MAX_CAP } = options;
  const payer = options.payer === undefined ? signer : readAddress("payer", options.payer);
  const named = options.facilitator === undefined ? undefined : readAddress("facilitator", options.facilitator);
  const facilitator = network.facilitators.find(({ address: one }) => named === undefined || one === named);
  if (!facilitator) {
    const message = `The network names no facilitator ${named ?? ""}; leave account.facilitator out to take its first.`;
    throw new OpgError("configuration", message, { facilitator: named });
  }
  const { taskEscrow } = network.contracts;
  return {
    payer,
    facilitator: facilitator.address,
    account: `${caip2(network)}:${payer}`,
    taskEscrow,
    maxAtStake,
    maxCap,
  };
}

function readAddress(option: string, text: string): string {
  const parsed = address.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new OpgError("configuration", `account.${option} "${text}" is not an address; give 0x and 40 hex digits.`);
}
