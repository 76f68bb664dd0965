import { OpgError } from "../protocol/errors.ts";
import {
  authorizationOf,
  authorizationToJson,
  paymentDigestOf,
  paymentTypedData,
  TASK_SCHEME,
} from "../protocol/payment.ts";
import { signAllowance } from "./allowance.ts";
import type { GatewayAnswer } from "./callGateway.ts";
import type { Offer } from "./checkOffer.ts";
import type { Payer } from "./payer.ts";
import type { Amendment, Purse, SignedOffer } from "./purse.ts";
import { readOffer } from "./readOffer.ts";

/** Pays out of the signer's wallet, by Permit2: a nonce pays once, however many tasks were signed with it. */
export class WalletPurse implements Purse {
  readonly scheme = TASK_SCHEME;
  readonly payer: string;
  readonly account: string;
  readonly #payer: Payer;
  #amended: SignedOffer | undefined;

  constructor(payer: Payer) {
    this.#payer = payer;
    this.payer = payer.address;
    this.account = payer.account;
  }

  async sign({ task, settleWindowSeconds }: Offer): Promise<SignedOffer> {
    const { network, signer } = this.#payer;
    const { opg, taskEscrow } = network.contracts;
    const chainId = BigInt(network.chainId);
    const authorization = authorizationOf(task, { token: opg, taskEscrow, settleWindowSeconds });
    const { domain, types, value } = paymentTypedData(authorization, chainId);
    const signature = await signer.signTypedData(domain, types, value);
    return {
      task,
      paymentDigest: paymentDigestOf(authorization, chainId),
      expiresAt: Number(authorization.deadline),
      payload: { signature, permit2Authorization: authorizationToJson(authorization) },
    };
  }

  /** An allowance, where that is all it lacks and the client may sign one. */
  async amend(signed: SignedOffer, refused: GatewayAnswer): Promise<Amendment | undefined> {
    const refusal = refused.status === 412 ? OpgError.fromBody(refused.content) : undefined;
    if (this.#amended === signed || refusal?.code !== "permit2_allowance_required") return undefined;
    this.#amended = signed;
    const { task, expiresAt } = signed;
    const unallowed = { asset: this.#payer.network.contracts.opg, amount: task.maxAmount, expiresAt };
    const extensions = await signAllowance(this.#payer, unallowed, {
      required: readOffer(refused.headers),
      permitNonce: refusal.values["permitNonce"],
    });
    return extensions && { extensions };
  }

  /** Permit2 takes the charge and nothing else: there are no books. */
  async end(): Promise<void> {}
}
