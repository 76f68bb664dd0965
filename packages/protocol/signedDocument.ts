import { Signature, verifyTypedData } from "ethers";
import type { TypedDataDomain, TypedDataField } from "./typedData.ts";

/** A document to sign under EIP-712, as the protocol's `*TypedData` functions make it. */
export interface SignedDocument {
  domain: TypedDataDomain;
  types: Record<string, TypedDataField[]>;
  value: object;
}

/** Whatever can sign a document: a wallet of ethers, among others. */
export interface DocumentSigner {
  signTypedData(
    domain: TypedDataDomain,
    types: Record<string, TypedDataField[]>,
    value: Record<string, unknown>,
  ): Promise<string>;
}

/** Signs a document. @returns 65 bytes as hex */
export function signDocument(signer: DocumentSigner, { domain, types, value }: SignedDocument): Promise<string> {
  return signer.signTypedData(domain, types, { ...value });
}

/**
 * Who signed a document: the checksummed address, or nothing where the signature is not in the one 65-byte form that the
 * contracts take. ethers reads other spellings of the same signature too.
 */
export function recoverSigner({ domain, types, value }: SignedDocument, signature: string): string | undefined {
  try {
    if (Signature.from(signature).serialized !== signature.toLowerCase()) return undefined;
    return verifyTypedData(domain, types, { ...value }, signature);
  } catch {
    return undefined;
  }
}

/** Whether `signer` (checksummed) signed the document. */
export function isSignedBy(signer: string, document: SignedDocument, signature: string): boolean {
  return recoverSigner(document, signature) === signer;
}
