import type { FacilitatorClient } from "@x402/core/server";
import type { PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse } from "@x402/core/types";
import { id, verifyTypedData } from "ethers";
import { allowancePermitIn, allowancePermitTypedData } from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { paymentIdentifierIn } from "#protocol/paymentIdentifier.ts";
import { proxyAddresses, type ProxyPayload, proxyPayloadJson, proxyTypedData } from "#protocol/proxyPayment.ts";
import { recoverSigner } from "#protocol/signedDocument.ts";
import { testNetwork } from "./testNetwork.ts";

const network = "eip155:31337";
const chainId = BigInt(testNetwork.chainId);
/** The signer that x402's servers copy into `extra.facilitatorAddress`. */
export const facilitatorAddress = testNetwork.facilitators[0]?.address ?? "";

/**
 * Stands in for a facilitator without a chain: it checks every signature, takes each nonce once, and can be told that an
 * allowance or a balance is missing.
 */
export class FacilitatorStandIn implements FacilitatorClient {
  /** Payments that were settled, by nonce. */
  readonly settled = new Map<string, { amount: string; identifier: string | undefined }>();
  lacksAllowance = false;
  lacksBalance = false;
  verifications = 0;

  async getSupported() {
    const kinds = ["exact", "upto"].map((scheme) => ({
      ...({ x402Version: 2, scheme, network } as const),
      extra: { facilitatorAddress },
    }));
    return { kinds, extensions: ["payment-identifier", "eip2612GasSponsoring"], signers: {} };
  }

  async verify(payment: PaymentPayload, requirements: PaymentRequirements): Promise<VerifyResponse> {
    this.verifications += 1;
    const invalidReason = this.#problem(payment, requirements);
    return invalidReason === undefined ? { isValid: true } : { isValid: false, invalidReason };
  }

  async settle(payment: PaymentPayload, requirements: PaymentRequirements): Promise<SettleResponse> {
    const errorReason = this.#problem(payment, requirements);
    if (errorReason !== undefined) return { success: false, errorReason, transaction: "", network };
    const { amount } = requirements;
    this.settled.set(nonceOf(payment), { amount, identifier: paymentIdentifierIn(payment.extensions) });
    return { success: true, transaction: id(nonceOf(payment)), network, amount };
  }

  #problem(payment: PaymentPayload, requirements: PaymentRequirements): string | undefined {
    if (this.settled.has(nonceOf(payment))) return "permit2_invalid_nonce";
    if (requirements.extra["assetTransferMethod"] === "eip3009") return transferProblem(payment, requirements);
    const scheme = requirements.scheme === "upto" ? "upto" : "exact";
    const payload: ProxyPayload = proxyPayloadJson[scheme].parse(payment.payload);
    const { permit2Authorization: authorization, signature } = payload;
    const { from, permitted, witness } = authorization;
    if (authorization.spender !== proxyAddresses[scheme]) return "invalid_permit2_spender";
    if (witness.to !== requirements.payTo) return "invalid_permit2_recipient_mismatch";
    if (scheme === "upto" && witness.facilitator !== facilitatorAddress) return "upto_facilitator_mismatch";
    if (permitted.token !== requirements.asset) return "permit2_token_mismatch";
    if (permitted.amount < BigInt(requirements.amount)) return "permit2_amount_mismatch";
    if (recoverSigner(proxyTypedData(scheme, authorization, chainId), signature) !== from) {
      return "invalid_permit2_signature";
    }
    if (this.lacksBalance) return "permit2_insufficient_balance";
    if (this.lacksAllowance && !isPermitted(payment, payload)) return "permit2_allowance_required";
    return undefined;
  }
}

/** Whether the payer has signed a permit for Permit2 that covers the payment. */
function isPermitted({ extensions }: PaymentPayload, { permit2Authorization }: ProxyPayload): boolean {
  const permit = allowancePermitIn(extensions);
  if (typeof permit === "string") return false;
  const { from, permitted } = permit2Authorization;
  const document = allowancePermitTypedData(permit, { name: "OPG", version: "1", chainId });
  return (
    permit.from === from &&
    permit.spender === PERMIT2 &&
    permit.asset === permitted.token &&
    permit.amount >= permitted.amount &&
    recoverSigner(document, permit.signature) === from
  );
}

interface Transfer {
  signature: string;
  authorization: Record<"from" | "to" | "value" | "validAfter" | "validBefore" | "nonce", string>;
}

function transferProblem({ payload }: PaymentPayload, { asset, amount, payTo, extra }: PaymentRequirements) {
  const { signature, authorization } = payload as unknown as Transfer;
  const fields = ["from:address", "to:address", "value:uint256", "validAfter:uint256", "validBefore:uint256"];
  const types = {
    TransferWithAuthorization: [...fields, "nonce:bytes32"].map((field) => {
      const [name = "", type = ""] = field.split(":");
      return { name, type };
    }),
  };
  const { name, version } = extra as { name: string; version: string };
  const signer = verifyTypedData({ name, version, chainId, verifyingContract: asset }, types, authorization, signature);
  const isRight = signer === authorization.from && authorization.to === payTo && authorization.value === amount;
  return isRight ? undefined : "invalid_exact_evm_payload_signature";
}

function nonceOf({ payload }: PaymentPayload): string {
  const { permit2Authorization, authorization } = payload as Record<string, { nonce: string } | undefined>;
  return (permit2Authorization ?? authorization)?.nonce ?? "";
}
