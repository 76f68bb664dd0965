import type { TypedDataDomain, TypedDataField } from "../protocol/typedData.ts";

/** Who pays: an ethers `Wallet` or `Signer` with its address, or anything that signs EIP-712 like one. */
export interface PaymentSigner {
  readonly address: string;
  signTypedData(
    domain: TypedDataDomain,
    types: Record<string, TypedDataField[]>,
    value: Record<string, unknown>,
  ): Promise<string>;
  /** Sends a transaction and pays its gas, as a wallet with a provider does. Calls need none; only an account does, now and then. */
  sendTransaction?(transaction: { to: string; data: string }): Promise<{ hash: string }>;
}
