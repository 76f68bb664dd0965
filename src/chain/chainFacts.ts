import { type BlockTag, dataLength, Interface, type Provider } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { isRevert } from "./decodeRevert.ts";
import { Permit2Adapter } from "./permit2.ts";

const abi = new Interface([
  "function balanceOf(address account) view returns (uint256)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "function isValidSignature(bytes32 digest, bytes signature) view returns (bytes4)",
]);

/** What EIP-1271 answers for a valid signature. */
const ERC1271_VALID = "0x1626ba7e";

/** The payment that facts are wanted about. */
export interface PaymentQuestion {
  token: string;
  payer: string;
  /** Permit2 nonce. */
  nonce: bigint;
  /** What the payer signed, see `paymentDigestOf`. */
  digest: string;
  signature: string;
}

/** What the chain says about a payment, all of it at one block; amounts in atomic units. */
export interface PaymentFacts {
  block: { number: number; timestamp: number };
  balance: bigint;
  /** What Permit2 may move of the payer's. */
  allowance: bigint;
  nonceUsed: boolean;
  tokenHasCode: boolean;
  payerHasCode: boolean;
  /** The payer contract's own word on the signature (EIP-1271); absent where the payer has no code. */
  contractAcceptsSignature?: boolean;
}

/**
 * Reads the newest block and everything about a payment as of that block.
 *
 * @throws OpgError `chain_unavailable`
 */
export async function readPaymentFacts(provider: Provider, question: PaymentQuestion): Promise<PaymentFacts> {
  const block = await provider.getBlock("latest");
  if (!block) throw new OpgError("chain_unavailable", "The chain has no newest block; try again in a moment.");
  const blockTag = block.number;
  const { token, payer, nonce } = question;
  const [balance, allowance, nonceUsed, tokenCode, payerCode] = await Promise.all([
    readAmount(provider, token, blockTag, abi.encodeFunctionData("balanceOf", [payer])),
    readAllowance(provider, token, payer, blockTag),
    new Permit2Adapter(provider).isNonceUsed(payer, nonce, blockTag),
    provider.getCode(token, blockTag),
    provider.getCode(payer, blockTag),
  ]);
  const facts: PaymentFacts = {
    block: { number: block.number, timestamp: block.timestamp },
    balance,
    allowance,
    nonceUsed,
    tokenHasCode: tokenCode !== "0x",
    payerHasCode: payerCode !== "0x",
  };
  if (!facts.payerHasCode) return facts;
  return { ...facts, contractAcceptsSignature: await readContractSignature(provider, question, blockTag) };
}

/** What Permit2 may move of an owner's tokens, atomic units. @throws OpgError `chain_unavailable` */
export function readAllowance(
  provider: Provider,
  token: string,
  owner: string,
  blockTag: BlockTag = "latest",
): Promise<bigint> {
  return readAmount(provider, token, blockTag, abi.encodeFunctionData("allowance", [owner, PERMIT2]));
}

/** What is no token answers no amount, or refuses to, which counts as 0. */
async function readAmount(provider: Provider, to: string, blockTag: BlockTag, data: string): Promise<bigint> {
  try {
    const answer = await provider.call({ to, data, blockTag });
    return dataLength(answer) === 32 ? BigInt(answer) : 0n;
  } catch (error) {
    if (isRevert(error)) return 0n;
    throw error;
  }
}

/** The word of a payer with code on a signature of its own (EIP-1271). @throws OpgError `chain_unavailable` */
export async function readContractSignature(
  provider: Provider,
  question: Pick<PaymentQuestion, "payer" | "digest" | "signature">,
  blockTag: number,
): Promise<boolean> {
  const data = abi.encodeFunctionData("isValidSignature", [question.digest, question.signature]);
  try {
    const answer = await provider.call({ to: question.payer, data, blockTag });
    return answer.slice(0, 10) === ERC1271_VALID;
  } catch (error) {
    if (isRevert(error)) return false;
    throw error;
  }
}
