/** An EIP-712 domain. Declared here, so that whoever uses these types needs no other library's. */
export interface TypedDataDomain {
  name: string;
  /** Absent in Permit2's. */
  version?: string;
  chainId: bigint;
  verifyingContract: string;
}

/** A field of an EIP-712 type. */
export interface TypedDataField {
  name: string;
  type: string;
}

/**
 * The signed types of OPG (EIP-712), defined once. `contracts/libraries/` states the same type hashes and a test
 * compares the two.
 */
export const signedTypes = {
  Task: [
    { name: "payer", type: "address" },
    { name: "node", type: "address" },
    { name: "model", type: "bytes32" },
    { name: "request", type: "bytes32" },
    { name: "policy", type: "uint8" },
    { name: "maxAmount", type: "uint128" },
    { name: "deadline", type: "uint40" },
    { name: "nonce", type: "uint256" },
  ],
  Release: [
    { name: "taskId", type: "bytes32" },
    { name: "paymentDigest", type: "bytes32" },
    { name: "releasedAt", type: "uint40" },
  ],
  Result: [
    { name: "taskId", type: "bytes32" },
    { name: "response", type: "bytes32" },
    { name: "payout", type: "address" },
    { name: "amount", type: "uint128" },
    { name: "completedAt", type: "uint40" },
  ],
  Verdict: [
    { name: "resultHash", type: "bytes32" },
    { name: "epoch", type: "uint64" },
    { name: "mode", type: "uint8" },
    { name: "agrees", type: "bool" },
  ],
  Commitment: [
    { name: "taskId", type: "bytes32" },
    { name: "commitment", type: "bytes32" },
    { name: "committedAt", type: "uint40" },
  ],
  Refusal: [
    { name: "resultHash", type: "bytes32" },
    { name: "reason", type: "string" },
  ],
  SealingKey: [
    { name: "verifier", type: "address" },
    { name: "key", type: "bytes32" },
  ],
  Counts: [
    { name: "epoch", type: "uint64" },
    { name: "verifiers", type: "address[]" },
    { name: "counts", type: "uint64[]" },
  ],
  Voucher: [
    { name: "payer", type: "address" },
    { name: "facilitator", type: "address" },
    { name: "cap", type: "uint128" },
  ],
  Deposit: [
    { name: "payer", type: "address" },
    { name: "facilitator", type: "address" },
  ],
  Batch: [
    { name: "facilitator", type: "address" },
    { name: "previous", type: "bytes32" },
    { name: "root", type: "bytes32" },
    { name: "debits", type: "bytes32" },
    { name: "credits", type: "bytes32" },
    { name: "epoch", type: "uint64" },
  ],
  Admission: [
    { name: "node", type: "address" },
    { name: "operator", type: "address" },
    { name: "payout", type: "address" },
    { name: "measurement", type: "bytes32" },
    { name: "tlsKeyHash", type: "bytes32" },
    { name: "hpkeKeyHash", type: "bytes32" },
    { name: "evidenceHash", type: "bytes32" },
    { name: "leaseUntil", type: "uint40" },
    { name: "sequence", type: "uint32" },
    { name: "epoch", type: "uint64" },
  ],
  Revocation: [
    { name: "node", type: "address" },
    { name: "epoch", type: "uint64" },
  ],
  Handover: [
    { name: "networkId", type: "bytes32" },
    { name: "epoch", type: "uint64" },
    { name: "previousSet", type: "bytes32" },
    { name: "nextSet", type: "bytes32" },
    { name: "validUntil", type: "uint40" },
  ],
} as const;

/** Name of a signed type. */
export type SignedType = keyof typeof signedTypes;

/** The one type named, in the shape that ethers' `signTypedData` takes. */
export function typesOf(name: SignedType): Record<string, TypedDataField[]> {
  return { [name]: signedTypes[name].map((field) => ({ ...field })) };
}

/** The contract in whose domain a signature is made; every signature holds for one chain and one contract. */
export interface Domain {
  chainId: bigint;
  verifyingContract: string;
}

function domainOf(name: string, { chainId, verifyingContract }: Domain): TypedDataDomain {
  return { name, version: "1", chainId, verifyingContract };
}

/** Domain of Task, Release and Voucher. */
export const taskEscrowDomain = (domain: Domain): TypedDataDomain => domainOf("OPG TaskEscrow", domain);
/** Domain of Result, Verdict, Commitment, Refusal, SealingKey, Batch and Counts. */
export const settlementDomain = (domain: Domain): TypedDataDomain => domainOf("OPG Settlement", domain);
/** Domain of Admission and Revocation. */
export const nodeRegistryDomain = (domain: Domain): TypedDataDomain => domainOf("OPG NodeRegistry", domain);
/** Domain of Handover. */
export const verifierSetDomain = (domain: Domain): TypedDataDomain => domainOf("OPG VerifierSet", domain);
