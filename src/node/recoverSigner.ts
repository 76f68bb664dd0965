import { Signature, type TypedDataDomain, type TypedDataField, verifyTypedData } from "ethers";

/** Something signed under EIP-712. */
export interface TypedData {
  domain: TypedDataDomain;
  types: Record<string, TypedDataField[]>;
  value: object;
}

/**
 * Who signed: the checksummed address, or nothing when the signature is not 65 bytes in the one form that the contracts
 * take.
 */
export function recoverSigner({ domain, types, value }: TypedData, signature: string): string | undefined {
  try {
    if (Signature.from(signature).serialized !== signature.toLowerCase()) return undefined;
    return verifyTypedData(domain, types, { ...value }, signature);
  } catch {
    return undefined;
  }
}
