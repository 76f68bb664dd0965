import type { PaymentRequired } from "@x402/core/types";
import { Interface } from "ethers";
import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import {
  type AllowancePermit,
  allowancePermitToJson,
  allowancePermitTypedData,
  GAS_SPONSORING,
} from "../protocol/gasSponsoring.ts";
import { uint } from "../protocol/hex.ts";
import { PERMIT2 } from "../protocol/payment.ts";
import type { Payer } from "./payer.ts";

/** The payment that lacks an allowance. */
export interface UnallowedPayment {
  asset: string;
  amount: bigint;
  /** Seconds since 1970; the permit ends with the payment. */
  expiresAt: number;
}

const tokenAbi = new Interface(["function nonces(address owner) view returns (uint256)"]);
const domainJson = z.object({ name: z.string(), version: z.string() });
const declaredJson = z.looseObject({ info: z.record(z.string(), z.unknown()) });

/**
 * Signs the allowance that a server asks for, as x402's extension for sponsored gas.
 *
 * @param refused - the offer that came with the refusal, and the payer's nonce at the token if the server named it
 * @returns the entry for `extensions`; nothing where the server does not sponsor it or the payer does not want it
 * @throws OpgError `permit2_allowance_required` when the nonce at the token cannot be found out
 */
export async function signAllowance(
  payer: Payer,
  payment: UnallowedPayment,
  refused: { required: PaymentRequired | undefined; permitNonce: unknown },
): Promise<Record<string, unknown> | undefined> {
  const declared = declaredJson.safeParse(refused.required?.extensions?.[GAS_SPONSORING]);
  const domain = domainOf(payment.asset, refused.required);
  if (!declared.success || !domain || !(await isAgreed(payer, payment))) return undefined;
  const permit = {
    from: payer.address,
    asset: payment.asset,
    amount: payment.amount,
    nonce: await permitNonceOf(payer, payment, refused.permitNonce),
    deadline: BigInt(payment.expiresAt),
  };
  const document = allowancePermitTypedData(permit, { ...domain, chainId: BigInt(payer.network.chainId) });
  const signature = await payer.signer.signTypedData(document.domain, document.types, document.value);
  return { [GAS_SPONSORING]: answerTo(declared.data.info, { ...permit, spender: PERMIT2, signature }) };
}

/** What the server declared comes back with it, word for word; the permit's own fields are ours. */
function answerTo(declared: Record<string, unknown>, permit: AllowancePermit): { info: Record<string, unknown> } {
  const { info } = allowancePermitToJson(permit);
  return { info: { ...declared, ...info, version: declared["version"] ?? info.version } };
}

/** The token's EIP-712 domain, as any of the offer's entries names it. */
function domainOf(asset: string, required: PaymentRequired | undefined): z.output<typeof domainJson> | undefined {
  return required?.accepts
    .filter((entry) => entry.asset.toLowerCase() === asset.toLowerCase())
    .map(({ extra }) => domainJson.safeParse(extra))
    .find(({ success }) => success)?.data;
}

async function isAgreed({ allowance }: Payer, { asset, amount }: UnallowedPayment): Promise<boolean> {
  return typeof allowance === "function" ? allowance({ asset, amount, spender: PERMIT2 }) : allowance === "permit";
}

async function permitNonceOf(payer: Payer, { asset }: UnallowedPayment, named: unknown): Promise<bigint> {
  const parsed = uint(256).safeParse(named);
  if (parsed.success) return parsed.data;
  if (payer.chain) return (await payer.chain.call(asset, tokenAbi, "nonces", [payer.address]))[0] as bigint;
  const message = `To let Permit2 move the token ${asset} without gas, the client must know the payer's nonce there and the server does not tell it: create the client with rpcUrl, or approve Permit2 (${PERMIT2}) once.`;
  throw new OpgError("permit2_allowance_required", message, { token: asset, spender: PERMIT2 });
}
