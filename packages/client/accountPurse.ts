import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import { uint } from "../protocol/hex.ts";
import { domainIn } from "../protocol/network.ts";
import { PREFUNDED_SCHEME, type PrefundedPayloadJson, taskTypedData } from "../protocol/prefunded.ts";
import { taskIdOf, taskToJson } from "../protocol/task.ts";
import type { SignedCapJson } from "../protocol/voucher.ts";
import type { AccountTerms } from "./accountTerms.ts";
import type { GatewayAnswer } from "./callGateway.ts";
import type { Offer } from "./checkOffer.ts";
import type { Payer } from "./payer.ts";
import type { PrefundedAccount } from "./prefundedAccount.ts";
import type { Amendment, Purse, SignedOffer } from "./purse.ts";

/** How often a voucher is raised for one call; other clients of the account may be raising it too. */
const MAX_RAISES = 3;

const neededJson = z.looseObject({ need: uint(128) });

/** Pays for one inference out of a prefunded account: by the voucher key's signature over the task, under a voucher. */
export class AccountPurse implements Purse {
  readonly scheme = PREFUNDED_SCHEME;
  readonly payer: string;
  readonly account: string;
  readonly facilitator: string;
  readonly #payer: Payer;
  readonly #prefunded: PrefundedAccount;
  readonly #id: string;
  #raises = 0;
  #shown = 0n;

  /** @param id - payment identifier of the inference */
  constructor(payer: Payer, prefunded: PrefundedAccount, id: string) {
    const { payer: owner, account, facilitator }: AccountTerms = prefunded.terms;
    this.payer = owner;
    this.account = account;
    this.facilitator = facilitator;
    this.#payer = payer;
    this.#prefunded = prefunded;
    this.#id = id;
  }

  async sign({ task, settleWindowSeconds }: Offer): Promise<SignedOffer> {
    const { network, signer } = this.#payer;
    const taskEscrow = domainIn(network, "taskEscrow");
    const taskId = taskIdOf(task, taskEscrow);
    const expiresAt = task.deadline + settleWindowSeconds;
    const { domain, types, value } = taskTypedData(task, taskEscrow);
    try {
      const voucher = await this.#prefunded.reserve({ id: this.#id, amount: task.maxAmount, taskId, expiresAt });
      const signature = await signer.signTypedData(domain, types, value);
      const payload = { task: taskToJson(task), signature, facilitator: this.facilitator, ...this.#showing(voucher) };
      return { task, paymentDigest: taskId, expiresAt, payload: payload satisfies PrefundedPayloadJson };
    } catch (error) {
      await this.end(0n);
      throw error;
    }
  }

  /** A higher voucher, within the limits: the facilitator may know of calls that these books do not. */
  async amend({ payload }: SignedOffer, refused: GatewayAnswer): Promise<Amendment | undefined> {
    const refusal = OpgError.fromBody(refused.content);
    const needed = refusal?.code === "voucher_required" ? neededJson.safeParse(refusal.values) : undefined;
    if (!needed?.success || this.#raises === MAX_RAISES) return undefined;
    this.#raises += 1;
    const voucher = await this.#prefunded.raise(needed.data.need);
    return { payload: { ...payload, ...this.#showing(voucher) } };
  }

  end(charge: bigint): Promise<void> {
    return this.#prefunded.end(this.#id, charge, this.#shown);
  }

  #showing(voucher: SignedCapJson | undefined): { voucher?: SignedCapJson } {
    if (!voucher) return {};
    this.#shown = BigInt(voucher.cap);
    return { voucher };
  }
}
