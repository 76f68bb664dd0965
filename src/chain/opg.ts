import { MaxUint256, type Provider } from "ethers";
import { PERMIT2 } from "#protocol/payment.ts";
import { OPG__factory, type OPG } from "#typechain/index.ts";
import type { Call } from "./call.ts";

/** OPG: the token that tasks are paid with; amounts in atomic units. */
export class OpgAdapter {
  readonly address: string;
  readonly #contract: OPG;

  constructor(address: string, provider: Provider) {
    this.address = address;
    this.#contract = OPG__factory.connect(address, provider);
  }

  balanceOf(account: string): Promise<bigint> {
    return this.#contract.balanceOf(account);
  }

  /** What Permit2 may move of the account, under the account's signature each time. */
  allowanceToPermit2(account: string): Promise<bigint> {
    return this.#contract.allowance(account, PERMIT2);
  }

  /** Lets Permit2 move the sender's tokens, once for all; each payment still needs a signature. */
  populateApprovePermit2(amount: bigint = MaxUint256): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("approve", [PERMIT2, amount]) };
  }

  populateTransfer(to: string, amount: bigint): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("transfer", [to, amount]) };
  }
}
