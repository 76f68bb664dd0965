import { id, Wallet } from "ethers";
import type { ProxyFacts, ProxyPayment, ProxyTerms } from "#facilitator/checks/proxyPayment.ts";
import { type AllowancePermit, allowancePermitTypedData } from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { proxyAddresses, type ProxyAuthorization, type ProxyScheme, proxyTypedData } from "#protocol/proxyPayment.ts";
import { TypedDataEncoder } from "ethers";

/** The moment of every check below, seconds since 1970. */
export const now = 1_800_000_000;

export const payer = new Wallet(id("the payer of the proxies' checks"));

export const addressOf = (name: string): string => new Wallet(id(name)).address;

/** Somebody who has nothing to do with it. */
export const stranger = addressOf("stranger");

export const terms: ProxyTerms = {
  chainId: 31_337n,
  network: "eip155:31337",
  taskEscrow: addressOf("TaskEscrow"),
  facilitator: addressOf("facilitator"),
  entry: addressOf("entry"),
};

const tokenDomain = { name: "Token", version: "1", chainId: terms.chainId };
export const token = addressOf("token");

/** What the chain says when everything is fine: exactly enough, and nothing used. */
export const facts: ProxyFacts = {
  block: { number: 1, timestamp: now },
  balance: 1000n,
  allowance: 1000n,
  nonceUsed: false,
  tokenHasCode: true,
  payerHasCode: false,
  outstanding: 0n,
  permits: {
    nonce: 5n,
    domainSeparator: TypedDataEncoder.hashDomain({ ...tokenDomain, verifyingContract: token }),
  },
};

/** What differs from a payment that passes every check. */
export interface ProxyChanges {
  authorization?: Partial<Omit<ProxyAuthorization, "witness">>;
  witness?: Partial<ProxyAuthorization["witness"]>;
  payment?: Partial<ProxyPayment>;
  /** Chain id that is signed for. */
  chainId?: bigint;
}

/** A payment of 1000 atomic units to a merchant, signed by ethers after the changes were made. */
export async function makeProxyPayment(scheme: ProxyScheme, changes: ProxyChanges = {}): Promise<ProxyPayment> {
  const to = addressOf("merchant");
  const witness = scheme === "upto" ? { to, facilitator: terms.entry, validAfter: 0n } : { to, validAfter: 0n };
  const permit2Authorization: ProxyAuthorization = {
    from: payer.address,
    permitted: { token, amount: 1000n },
    spender: proxyAddresses[scheme],
    nonce: 7n,
    deadline: BigInt(now + 300),
    ...changes.authorization,
    witness: { ...witness, ...changes.witness },
  };
  const { domain, types, value } = proxyTypedData(scheme, permit2Authorization, changes.chainId ?? terms.chainId);
  return {
    scheme,
    digest: TypedDataEncoder.hash({ ...domain, chainId: terms.chainId }, types, value),
    signature: await payer.signTypedData(domain, types, value),
    permit2Authorization,
    requirements: { network: terms.network, amount: 1000n, asset: token, payTo: to },
    permit: "absent",
    identifier: null,
    ...changes.payment,
  };
}

/** A permit for Permit2, signed by ethers after the changes were made. */
export async function makePermit(changes: Partial<AllowancePermit> = {}): Promise<AllowancePermit> {
  const unsigned = {
    from: payer.address,
    asset: token,
    spender: PERMIT2,
    amount: 1000n,
    nonce: 5n,
    deadline: BigInt(now + 300),
    ...changes,
  };
  const { domain, types, value } = allowancePermitTypedData({ ...unsigned, asset: token }, tokenDomain);
  return { ...unsigned, signature: changes.signature ?? (await payer.signTypedData(domain, types, value)) };
}
