import { Interface, Signature } from "ethers";
import { permittedDepositTypedData } from "../protocol/deposit.ts";
import type { PaymentTypedData } from "../protocol/payment.ts";
import type { AccountOnChain } from "./account.ts";
import type { AccountTerms } from "./accountTerms.ts";
import type { ChainReader } from "./chainReader.ts";

const escrow = new Interface([
  "function accounts(address payer, address facilitator) view returns (uint96 balance, uint96 spent, uint96 withdrawing, uint40 withdrawableAt)",
  "function authorizers(address payer, address facilitator) view returns (address current, address previous, uint40 previousUntil)",
  "function deposit(address payer, address facilitator, uint96 amount)",
  "function depositWithPermit(address payer, address facilitator, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
  "function setAuthorizer(address facilitator, address authorizer)",
  "function initiateWithdraw(address facilitator, uint96 amount)",
  "function finalizeWithdraw(address payer, address facilitator) returns (uint256)",
]);
const token = new Interface([
  "function allowance(address owner, address spender) view returns (uint256)",
  "function approve(address spender, uint256 amount) returns (bool)",
  "function nonces(address owner) view returns (uint256)",
  "function eip712Domain() view returns (bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)",
]);

/** A call to a contract, for whoever sends transactions. */
export interface ContractCall {
  to: string;
  data: string;
}

/** Reads an account. @throws OpgError `chain_unavailable` */
export async function readAccount(chain: ChainReader, terms: AccountTerms): Promise<AccountOnChain> {
  const { payer, facilitator, taskEscrow } = terms;
  const [account, authorizers] = await Promise.all([
    chain.call(taskEscrow, escrow, "accounts", [payer, facilitator]),
    chain.call(taskEscrow, escrow, "authorizers", [payer, facilitator]),
  ]);
  const [balance, spent, withdrawing, withdrawableAt] = account as unknown as [bigint, bigint, bigint, bigint];
  const [authorizer] = authorizers as unknown as [string];
  return { balance, spent, withdrawing, withdrawableAt: Number(withdrawableAt), authorizer };
}

/** What TaskEscrow may move of an owner's tokens. @throws OpgError `chain_unavailable` */
export async function readAllowance(
  chain: ChainReader,
  asset: string,
  owner: string,
  spender: string,
): Promise<bigint> {
  return ((await chain.call(asset, token, "allowance", [owner, spender])) as unknown as [bigint])[0];
}

/** A deposit's approval that the owner signs instead of sending it (EIP-2612). @throws OpgError `chain_unavailable` */
export async function depositPermit(
  chain: ChainReader,
  asset: string,
  deposit: { taskEscrow: string; amount: bigint },
  permit: { owner: string; deadline: bigint },
): Promise<PaymentTypedData> {
  const [nonces, domains] = await Promise.all([
    chain.call(asset, token, "nonces", [permit.owner]),
    chain.call(asset, token, "eip712Domain", []),
  ]);
  const [nonce] = nonces as unknown as [bigint];
  const { name, version, chainId } = domains.toObject() as { name: string; version: string; chainId: bigint };
  return permittedDepositTypedData(deposit, { ...permit, nonce }, { name, version, chainId, verifyingContract: asset });
}

/** Lets TaskEscrow move the sender's tokens. */
export function approveCall(asset: string, spender: string, amount: bigint): ContractCall {
  return { to: asset, data: token.encodeFunctionData("approve", [spender, amount]) };
}

/** Moves the sender's tokens, which TaskEscrow may move, into the account. */
export function depositCall({ payer, facilitator, taskEscrow: to }: AccountTerms, amount: bigint): ContractCall {
  return { to, data: escrow.encodeFunctionData("deposit", [payer, facilitator, amount]) };
}

/** The same with the sender's signed approval. */
export function depositWithPermitCall(
  { payer, facilitator, taskEscrow: to }: AccountTerms,
  amount: bigint,
  deadline: bigint,
  signature: string,
): ContractCall {
  const { v, r, s } = Signature.from(signature);
  return { to, data: escrow.encodeFunctionData("depositWithPermit", [payer, facilitator, amount, deadline, v, r, s]) };
}

/** Asks for an amount of the sender's account, in place of what was asked for before; 0 takes that back. */
export function initiateWithdrawCall({ facilitator, taskEscrow: to }: AccountTerms, amount: bigint): ContractCall {
  return { to, data: escrow.encodeFunctionData("initiateWithdraw", [facilitator, amount]) };
}

/** Pays what was asked for to the payer, once its time has come. */
export function finalizeWithdrawCall({ payer, facilitator, taskEscrow: to }: AccountTerms): ContractCall {
  return { to, data: escrow.encodeFunctionData("finalizeWithdraw", [payer, facilitator]) };
}

/** Names who signs for the sender's account. */
export function setAuthorizerCall({ facilitator, taskEscrow: to }: AccountTerms, authorizer: string): ContractCall {
  return { to, data: escrow.encodeFunctionData("setAuthorizer", [facilitator, authorizer]) };
}
