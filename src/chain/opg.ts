import { MaxUint256, type Provider, Signature } from "ethers";
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

  /** Name and version in the token's EIP-712 domain, under which permits are signed. */
  async domain(): Promise<{ name: string; version: string }> {
    const { name, version } = await this.#contract.eip712Domain();
    return { name, version };
  }

  /** The number that the account's next EIP-2612 permit must carry. */
  permitNonceOf(account: string): Promise<bigint> {
    return this.#contract.nonces(account);
  }

  /**
   * Sets an allowance under its owner's EIP-2612 signature; anyone may send it.
   *
   * @param deadline - seconds since 1970
   * @throws Error when the signature has neither 64 nor 65 bytes
   */
  populatePermit(owner: string, spender: string, value: bigint, deadline: bigint, signature: string): Call {
    const { v, r, s } = Signature.from(signature);
    const { interface: abi } = this.#contract;
    return { to: this.address, data: abi.encodeFunctionData("permit", [owner, spender, value, deadline, v, r, s]) };
  }

  populateTransfer(to: string, amount: bigint): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("transfer", [to, amount]) };
  }
}
