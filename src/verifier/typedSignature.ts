import { Signature, type TypedDataDomain, type TypedDataField, verifyTypedData, type Wallet } from "ethers";

/** A document to sign, as the protocol's `*TypedData` functions make it. */
export interface TypedData {
  domain: TypedDataDomain;
  types: Record<string, TypedDataField[]>;
  value: object;
}

/** Signs a document. */
export function signTypedData(wallet: Wallet, { domain, types, value }: TypedData): Promise<string> {
  return wallet.signTypedData(domain, types, value);
}

/**
 * Whether `signer` signed the document. Only the 65-byte form that the contracts take counts: ethers reads other
 * spellings of the same signature too.
 */
export function isSignedBy(signer: string, { domain, types, value }: TypedData, signature: string): boolean {
  try {
    const isCanonical = Signature.from(signature).serialized === signature.toLowerCase();
    return isCanonical && verifyTypedData(domain, types, value, signature) === signer;
  } catch {
    return false;
  }
}
