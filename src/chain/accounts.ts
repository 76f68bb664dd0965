import { type BlockTag, type Provider, Signature } from "ethers";
import { type IAccounts, IAccounts__factory } from "#typechain/index.ts";
import type { Call } from "./call.ts";

/** A payer's prefunded account at one facilitator; amounts in atomic units. */
export interface PrefundedAccount {
  /** What is there, including what is being withdrawn. */
  balance: bigint;
  /** What batches took in the account's whole life. `balance + spent` changes by deposits and withdrawals only. */
  spent: bigint;
  withdrawing: bigint;
  /** Seconds since 1970; 0 while nothing is being withdrawn. */
  withdrawableAt: number;
}

/** Who signs vouchers and tasks for an account. */
export interface Authorizers {
  /** The payer itself until it named another key. */
  current: string;
  /** The zero address where none was ever replaced. */
  previous: string;
  /** Last second, since 1970, in which the previous one still counts. */
  previousUntil: number;
}

/** Whose account, at whom. */
export interface AccountKey {
  payer: string;
  facilitator: string;
}

/** A deposit that its funder signed for Permit2. */
export interface Permit2Deposit extends AccountKey {
  /** Whose tokens. */
  owner: string;
  amount: bigint;
  /** Permit2's. */
  nonce: bigint;
  /** Seconds since 1970. */
  deadline: bigint;
  signature: string;
}

/** A deposit that its funder signed for the token (ERC-3009), with the nonce that `depositNonce` tells. */
export interface AuthorizedDeposit extends AccountKey {
  /** Whose tokens. */
  owner: string;
  amount: bigint;
  /** Seconds since 1970, both excluded. */
  validAfter: bigint;
  validBefore: bigint;
  /** 32 bytes. */
  salt: string;
  signature: string;
}

/** TaskEscrow's prefunded accounts. */
export class AccountsAdapter {
  readonly address: string;
  readonly #contract: IAccounts;

  /** @param address - TaskEscrow's */
  constructor(address: string, provider: Provider) {
    this.address = address;
    this.#contract = IAccounts__factory.connect(address, provider);
  }

  async accountOf({ payer, facilitator }: AccountKey, blockTag: BlockTag = "latest"): Promise<PrefundedAccount> {
    const account = await this.#contract.accounts(payer, facilitator, { blockTag });
    const { balance, spent, withdrawing, withdrawableAt } = account;
    return { balance, spent, withdrawing, withdrawableAt: Number(withdrawableAt) };
  }

  async authorizersOf({ payer, facilitator }: AccountKey, blockTag: BlockTag = "latest"): Promise<Authorizers> {
    const { current, previous, previousUntil } = await this.#contract.authorizers(payer, facilitator, { blockTag });
    return { current, previous, previousUntil: Number(previousUntil) };
  }

  /** How long a withdrawal waits, and how long a replaced authorizer still counts. */
  async withdrawDelaySeconds(): Promise<number> {
    return Number(await this.#contract.WITHDRAW_DELAY_SECONDS());
  }

  /** Deposits the sender's tokens, which TaskEscrow has to be approved for. */
  populateDeposit({ payer, facilitator }: AccountKey, amount: bigint): Call {
    return this.#call(this.#contract.interface.encodeFunctionData("deposit", [payer, facilitator, amount]));
  }

  /**
   * Deposits the sender's tokens under the sender's EIP-2612 permit for TaskEscrow and that amount.
   *
   * @param permit - deadline in seconds since 1970
   * @throws Error when the signature has neither 64 nor 65 bytes
   */
  populateDepositWithPermit(
    { payer, facilitator }: AccountKey,
    amount: bigint,
    permit: { deadline: bigint; signature: string },
  ): Call {
    const { v, r, s } = Signature.from(permit.signature);
    const values = [payer, facilitator, amount, permit.deadline, v, r, s] as const;
    return this.#call(this.#contract.interface.encodeFunctionData("depositWithPermit", [...values]));
  }

  /** Deposits what somebody signed for Permit2; anyone may send it. */
  populateDepositWithPermit2(deposit: Permit2Deposit): Call {
    const { owner, payer, facilitator, amount, nonce, deadline, signature } = deposit;
    const values = [owner, payer, facilitator, amount, nonce, deadline, signature] as const;
    return this.#call(this.#contract.interface.encodeFunctionData("depositWithPermit2", [...values]));
  }

  /** Deposits what somebody signed for the token (ERC-3009); anyone may send it. */
  populateDepositWithAuthorization(deposit: AuthorizedDeposit): Call {
    const { owner, payer, facilitator, amount, validAfter, validBefore, salt, signature } = deposit;
    const values = [owner, payer, facilitator, amount, validAfter, validBefore, salt, signature] as const;
    return this.#call(this.#contract.interface.encodeFunctionData("depositWithAuthorization", [...values]));
  }

  /**
   * Names who signs for the sender's account.
   *
   * @param authorizer - the zero address for the sender itself
   */
  populateSetAuthorizer(facilitator: string, authorizer: string): Call {
    return this.#call(this.#contract.interface.encodeFunctionData("setAuthorizer", [facilitator, authorizer]));
  }

  /** Asks for some of the sender's account back, in place of what was asked for before; 0 takes that back. */
  populateInitiateWithdraw(facilitator: string, amount: bigint): Call {
    return this.#call(this.#contract.interface.encodeFunctionData("initiateWithdraw", [facilitator, amount]));
  }

  /** Pays the payer what it asked for, once that has waited; anyone may send it. */
  populateFinalizeWithdraw({ payer, facilitator }: AccountKey): Call {
    return this.#call(this.#contract.interface.encodeFunctionData("finalizeWithdraw", [payer, facilitator]));
  }

  #call(data: string): Call {
    return { to: this.address, data };
  }
}
