import { AbiCoder, keccak256 } from "ethers";
import { type PaymentTypedData, permit2Domain } from "./payment.ts";
import { permitTypes, transferFields } from "./tokenTypes.ts";
import { signedTypes, type TypedDataDomain } from "./typedData.ts";

/** Money for a prefunded account, signed by whoever gives it. */
export interface SignedDeposit {
  /** Whose account. */
  payer: string;
  /** At whom. */
  facilitator: string;
  /** Address of the token. */
  token: string;
  /** Who takes it. */
  taskEscrow: string;
  /** Atomic units, below 2^96. */
  amount: bigint;
}

/** What Permit2 checks in a deposit besides what it is for. */
export interface Permit2Terms {
  /** One that the funder has not used at Permit2, neither for a task. */
  nonce: bigint;
  /** Seconds since 1970. */
  deadline: bigint;
}

/** What the token checks in a deposit (ERC-3009) besides what it is for. */
export interface AuthorizationTerms {
  /** Whose tokens. */
  owner: string;
  /** Seconds since 1970, both excluded. */
  validAfter: bigint;
  validBefore: bigint;
  /** 32 random bytes. */
  salt: string;
}

const depositTypes = {
  PermitWitnessTransferFrom: [
    { name: "permitted", type: "TokenPermissions" },
    { name: "spender", type: "address" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
    { name: "witness", type: "Deposit" },
  ],
  TokenPermissions: [
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
  Deposit: signedTypes.Deposit.map((field) => ({ ...field })),
};

/**
 * What a funder signs so that `TaskEscrow.depositWithPermit` may take the amount from it (EIP-2612). The account is not in it:
 * the funder sends the deposit itself.
 *
 * @param permit - nonce of the owner's at the token; deadline in seconds since 1970
 * @param tokenDomain - the token's own
 */
export function permittedDepositTypedData(
  { taskEscrow, amount }: Pick<SignedDeposit, "taskEscrow" | "amount">,
  permit: { owner: string; nonce: bigint; deadline: bigint },
  tokenDomain: TypedDataDomain,
): PaymentTypedData {
  const { owner, nonce, deadline } = permit;
  return {
    domain: tokenDomain,
    types: permitTypes,
    value: { owner, spender: taskEscrow, value: amount, nonce, deadline },
  };
}

/** What a funder who has approved Permit2 signs; `TaskEscrow.depositWithPermit2` takes it from anyone. */
export function depositTypedData(
  deposit: SignedDeposit,
  { nonce, deadline }: Permit2Terms,
  chainId: bigint,
): PaymentTypedData {
  const { payer, facilitator, token, taskEscrow, amount } = deposit;
  return {
    domain: permit2Domain(chainId),
    types: depositTypes,
    value: {
      permitted: { token, amount },
      spender: taskEscrow,
      nonce,
      deadline,
      witness: { payer, facilitator },
    },
  };
}

/**
 * What a funder signs for the token itself (ERC-3009), no approval needed; `TaskEscrow.depositWithAuthorization` takes it from
 * anyone. The nonce binds it to the account.
 *
 * @param tokenDomain - the token's own
 */
export function authorizedDepositTypedData(
  deposit: SignedDeposit,
  { owner, validAfter, validBefore, salt }: AuthorizationTerms,
  tokenDomain: TypedDataDomain,
): PaymentTypedData {
  const { payer, facilitator, taskEscrow, amount } = deposit;
  const nonce = depositNonce(payer, facilitator, salt);
  return {
    domain: tokenDomain,
    types: { ReceiveWithAuthorization: transferFields },
    value: { from: owner, to: taskEscrow, value: amount, validAfter, validBefore, nonce },
  };
}

/** ERC-3009 nonce of a deposit: `keccak256(abi.encode(payer, facilitator, salt))`. */
export function depositNonce(payer: string, facilitator: string, salt: string): string {
  const types = ["address", "address", "bytes32"];
  return keccak256(AbiCoder.defaultAbiCoder().encode(types, [payer, facilitator, salt]));
}
