import { OpgError } from "../protocol/errors.ts";
import type { Trail } from "../protocol/settlement.ts";
import { readAccount } from "./accountContract.ts";
import { AdmittedNodes } from "./admittedNodes.ts";
import { accountTermsOf } from "./accountTerms.ts";
import { address } from "../protocol/hex.ts";
import { caip2, type Network } from "../protocol/network.ts";
import type { AllowedAssets } from "./choosePayment.ts";
import type { ClientOptions } from "./clientOptions.ts";
import type { Payer } from "./payer.ts";
import { PrefundedAccount } from "./prefundedAccount.ts";
import type { SpendingLimits } from "./spending.ts";

/** What a payer is before its network is known. */
export interface Wallet extends Omit<Payer, "network" | "account" | "assets" | "prefunded" | "nodes"> {
  /** Those that nodes must have; any that is approved where left out. */
  measurements: readonly string[] | undefined;
  /** The story of a task. */
  trailOf: (taskId: string) => Promise<Trail>;
}

/** Puts a payer on a network. */
export function openPayer(wallet: Wallet, network: Network, options: ClientOptions): Payer {
  const { chain, state, clock, measurements } = wallet;
  return {
    ...wallet,
    network,
    nodes: chain && new AdmittedNodes({ chain, network, state, clock, measurements }),
    account: `${caip2(network)}:${wallet.address}`,
    assets: assetsOf(network, options),
    prefunded: options.account && openAccount(wallet, network, options),
  };
}

/** The account that the options name, or the one that is the signer's own. */
export function openAccount(wallet: Wallet, network: Network, { account }: ClientOptions): PrefundedAccount {
  const terms = accountTermsOf(account ?? {}, network, wallet.address);
  const { chain } = wallet;
  const takenSoFar = async (): Promise<bigint> => (chain ? (await readAccount(chain, terms)).spent : 0n);
  return new PrefundedAccount(terms, { ...wallet, network, takenSoFar });
}

/** OPG first: the client's own limits are about it. */
function assetsOf(network: Network, options: ClientOptions): AllowedAssets {
  const { maxAmount, maxPerDay, maxPerHost, allowedAssets = {} } = options;
  const own = {
    ...(maxAmount === undefined ? {} : { maxAmount }),
    ...(maxPerDay === undefined ? {} : { maxPerDay }),
    ...(maxPerHost === undefined ? {} : { maxPerHost }),
  };
  const others = Object.entries(allowedAssets).map(([asset, limits]) => [readAsset(asset), limits] as const);
  return new Map<string, SpendingLimits>([[network.contracts.opg, own], ...others]);
}

function readAsset(asset: string): string {
  const parsed = address.safeParse(asset);
  if (parsed.success) return parsed.data;
  throw new OpgError("configuration", `"${asset}" in allowedAssets is not an address; give the token's.`, { asset });
}
