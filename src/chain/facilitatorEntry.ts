import type { Provider } from "ethers";
import type { ProxyPayload } from "#protocol/proxyPayment.ts";
import { type IFacilitatorEntry, IFacilitatorEntry__factory } from "#typechain/index.ts";
import type { Call } from "./call.ts";
import { populateProxySettle } from "./x402Proxy.ts";

/** A facilitator's entry: what settles the `upto` authorizations of x402 that name it. */
export class FacilitatorEntryAdapter {
  readonly address: string;
  readonly #contract: IFacilitatorEntry;

  constructor(address: string, provider: Provider) {
    this.address = address;
    this.#contract = IFacilitatorEntry__factory.connect(address, provider);
  }

  /** Pays `amount` (atomic units) of an `upto` authorization to somebody other than TaskEscrow; only signers may. */
  populateSettle(payload: ProxyPayload, amount: bigint): Call {
    // Selector and arguments are the proxy's own.
    return { ...populateProxySettle("upto", payload, amount), to: this.address };
  }

  /** Lets another account settle here, or no longer; only the facilitator may. */
  populateSetSigner(signer: string, allowed: boolean): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("setSigner", [signer, allowed]) };
  }

  /** Whether an account settles here: the facilitator itself, or whom it has set. */
  isSigner(account: string): Promise<boolean> {
    return this.#contract.isSigner(account);
  }
}
