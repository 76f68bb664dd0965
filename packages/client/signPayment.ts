import { hexlify } from "ethers";
import type { Network } from "../protocol/network.ts";
import { authorizationOf, authorizationToJson, type PaymentTypedData, paymentTypedData } from "../protocol/payment.ts";
import { proxyAddresses, type ProxyAuthorization, type ProxyScheme, proxyTypedData } from "../protocol/proxyPayment.ts";
import { transferFields } from "../protocol/tokenTypes.ts";
import type { OfferedPayment } from "./offeredPayment.ts";
import type { PaymentSigner } from "./signer.ts";

const NONCE_BYTES = 32;

/** What goes into a signature besides the offer. */
export interface SigningTerms {
  network: Network;
  signer: PaymentSigner;
  /** Checksummed address of the signer. */
  payer: string;
  /** The next Permit2 nonce of the payer. */
  nextNonce: () => Promise<bigint>;
  randomBytes: (length: number) => Uint8Array;
  nowSeconds: number;
}

/** A payload for x402's PaymentPayload. */
export interface SignedPayment {
  payload: Record<string, unknown>;
  /** The signature is worth nothing any more after this, seconds since 1970. */
  expiresAt: number;
}

/** Signs for what is offered, neither more nor to anybody else. */
export async function signPayment(offered: OfferedPayment, terms: SigningTerms): Promise<SignedPayment> {
  const { method } = offered;
  if (method.kind === "task") return signTask(offered, method, terms);
  if (method.kind === "proxy") return signProxy(offered, method, terms);
  return signTransfer(offered, method, terms);
}

async function signTask(
  { asset, payTo }: OfferedPayment,
  { task, settleWindowSeconds }: { task: Parameters<typeof authorizationOf>[0]; settleWindowSeconds: number },
  terms: SigningTerms,
): Promise<SignedPayment> {
  const own = { ...task, payer: terms.payer, nonce: await terms.nextNonce() };
  const authorization = authorizationOf(own, { token: asset, taskEscrow: payTo, settleWindowSeconds });
  const signature = await sign(terms.signer, paymentTypedData(authorization, BigInt(terms.network.chainId)));
  const payload = { signature, permit2Authorization: authorizationToJson(authorization) };
  return { payload, expiresAt: task.deadline + settleWindowSeconds };
}

async function signProxy(
  { asset, payTo, amount, timeoutSeconds }: OfferedPayment,
  { scheme, facilitator }: { scheme: ProxyScheme; facilitator?: string },
  terms: SigningTerms,
): Promise<SignedPayment> {
  const expiresAt = terms.nowSeconds + timeoutSeconds;
  const authorization: ProxyAuthorization = {
    from: terms.payer,
    permitted: { token: asset, amount },
    spender: proxyAddresses[scheme],
    nonce: await terms.nextNonce(),
    deadline: BigInt(expiresAt),
    witness: { to: payTo, ...(facilitator === undefined ? {} : { facilitator }), validAfter: 0n },
  };
  const signature = await sign(terms.signer, proxyTypedData(scheme, authorization, BigInt(terms.network.chainId)));
  return { payload: { signature, permit2Authorization: decimals(authorization) }, expiresAt };
}

/** ERC-3009, https://eips.ethereum.org/EIPS/eip-3009: the token itself checks the signature, in its own domain. */
async function signTransfer(
  { asset, payTo, amount, timeoutSeconds }: OfferedPayment,
  { name, version }: { name: string; version: string },
  terms: SigningTerms,
): Promise<SignedPayment> {
  const expiresAt = terms.nowSeconds + timeoutSeconds;
  const authorization = {
    from: terms.payer,
    to: payTo,
    value: amount,
    validAfter: 0n,
    validBefore: BigInt(expiresAt),
    nonce: hexlify(terms.randomBytes(NONCE_BYTES)),
  };
  const domain = { name, version, chainId: BigInt(terms.network.chainId), verifyingContract: asset };
  const types = { TransferWithAuthorization: transferFields };
  const signature = await sign(terms.signer, { domain, types, value: authorization });
  return { payload: { signature, authorization: decimals(authorization) }, expiresAt };
}

function sign(signer: PaymentSigner, { domain, types, value }: PaymentTypedData): Promise<string> {
  return signer.signTypedData(domain, types, value);
}

/** The same with every number as a decimal string. */
function decimals(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, member]: [string, unknown]) => [
      key,
      typeof member === "bigint"
        ? member.toString()
        : typeof member === "object" && member !== null
          ? decimals(member)
          : member,
    ]),
  );
}
