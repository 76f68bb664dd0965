import { ZeroAddress } from "ethers";
import { proxyAddresses, type ProxyPayload, type ProxyScheme } from "#protocol/proxyPayment.ts";
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
