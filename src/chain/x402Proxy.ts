import { ZeroAddress } from "ethers";
import {
  proxyAddresses,
  type ProxyAuthorization,
  type ProxyPayload,
  type ProxyScheme,
} from "#protocol/proxyPayment.ts";
import { IX402ExactPermit2Proxy__factory, IX402UptoPermit2Proxy__factory } from "#typechain/index.ts";
import type { Call } from "./call.ts";

const exactAbi = IX402ExactPermit2Proxy__factory.createInterface();
const uptoAbi = IX402UptoPermit2Proxy__factory.createInterface();

/**
 * Pays by x402's proxy to whom the payer's witness names. Under `upto` only the facilitator in the witness may send it;
 * under `exact` anyone may, and what moves is what is permitted, whatever `amount` says.
 *
 * @param amount - atomic units
 */
export function populateProxySettle(scheme: ProxyScheme, payload: ProxyPayload, amount: bigint): Call {
  const { signature, permit2Authorization } = payload;
  const { from, permitted, nonce, deadline, witness } = permit2Authorization;
  const { to, facilitator = ZeroAddress, validAfter } = witness;
  const permit = { permitted, nonce, deadline };
  const data =
    scheme === "exact"
      ? exactAbi.encodeFunctionData("settle", [permit, from, { to, validAfter }, signature])
      : uptoAbi.encodeFunctionData("settle", [permit, amount, from, { to, facilitator, validAfter }, signature]);
  return { to: proxyAddresses[scheme], data };
}

/**
 * Whether a call hands on another authorization than this one: what such a transaction moves was for something else. Which
 * contract it calls does not matter, for every facilitator has an entry of its own, with the proxy's functions.
 */
export function isSettlementOfAnother(
  { from, nonce }: Pick<ProxyAuthorization, "from" | "nonce">,
  { data }: Pick<Call, "data">,
): boolean {
  const parsed = exactAbi.parseTransaction({ data }) ?? uptoAbi.parseTransaction({ data });
  if (!parsed || !SETTLE.has(parsed.name)) return false;
  const { permit, owner } = parsed.args.toObject(true) as Arguments;
  return owner !== from || permit["nonce"] !== nonce;
}

const SETTLE: ReadonlySet<string> = new Set(["settle", "settleWithPermit"]);

type Arguments = Readonly<Record<"permit" | "witness", Readonly<Record<string, unknown>>>> &
  Readonly<Record<string, unknown>>;

/**
 * Whether a call of the proxy, or of the entry that an `upto` authorization names, hands on exactly this authorization for
 * exactly this amount. That it went through is for the caller to know.
 */
export function isProxySettlement(
  scheme: ProxyScheme,
  { from, permitted, nonce, deadline, witness }: ProxyAuthorization,
  amount: bigint,
  call: { to: string | null; data: string },
): boolean {
  if (call.to !== proxyAddresses[scheme] && call.to !== witness.facilitator) return false;
  const parsed = (scheme === "exact" ? exactAbi : uptoAbi).parseTransaction({ data: call.data });
  if (!parsed || !SETTLE.has(parsed.name)) return false;
  const given = parsed.args.toObject(true) as Arguments;
  const { permit, owner } = given;
  const pairs: [unknown, unknown][] = [
    [owner, from],
    ...Object.entries({ ...permitted }).map(([name, value]): [unknown, unknown] => [
      (permit["permitted"] as Record<string, unknown>)[name],
      value,
    ]),
    [permit["nonce"], nonce],
    [permit["deadline"], deadline],
    ...Object.entries({ ...witness }).map(([name, value]): [unknown, unknown] => [given.witness[name], value]),
    [scheme === "exact" ? permitted.amount : given["amount"], amount],
  ];
  return pairs.every(([have, need]) => have === need);
}
