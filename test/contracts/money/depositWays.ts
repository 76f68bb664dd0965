import { id, Signature, type TransactionResponse, type Wallet } from "ethers";
import { authorizedDepositTypedData, depositTypedData, permittedDepositTypedData } from "#protocol/deposit.ts";
import { sign } from "#test/contracts/fixture.ts";
import type { Accounts } from "./accountsFixture.ts";

/** What a deposit is to be; of the fixture's payer for itself, unless said otherwise. */
interface Changes {
  amount?: bigint;
  payer?: { address: string };
  at?: string;
  /** Who sends the transaction; by the ways of approval its sender pays. */
  by?: Wallet;
}

type Deposit = (accounts: Accounts, changes?: Changes) => Promise<TransactionResponse>;

/** Of the token's authorizations. */
export const salt = id("salt");

function termsOf({ wallets, addresses }: Accounts, changes: Changes) {
  const { amount = 100n, payer = wallets.payer, at = wallets.facilitator.address, by = wallets.payer } = changes;
  const signed = {
    payer: payer.address,
    facilitator: at,
    token: addresses.opg,
    taskEscrow: addresses.taskEscrow,
    amount,
  };
  return { signed, by };
}

function tokenDomain({ chainId, addresses }: Accounts) {
  return { name: "OPG", version: "1", chainId: BigInt(chainId), verifyingContract: addresses.opg };
}

/** What an owner signs for the token, so that the escrow may take the amount. */
export async function permitOf(accounts: Accounts, changes: Changes) {
  const { signed, by } = termsOf(accounts, changes);
  const deadline = BigInt((await accounts.now()) + 60);
  const permit = { owner: by.address, nonce: await accounts.opg.nonces(by), deadline };
  const signature = await sign(by, permittedDepositTypedData(signed, permit, tokenDomain(accounts)));
  const { v, r, s } = Signature.from(signature);
  return { deadline, v, r, s };
}

/** What the fixture's payer signs for Permit2. */
export async function permit2SignatureOf(accounts: Accounts, changes: Changes) {
  const { signed } = termsOf(accounts, changes);
  const terms = { nonce: 7n, deadline: BigInt((await accounts.now()) + 60) };
  const typedData = depositTypedData(signed, terms, BigInt(accounts.chainId));
  return { ...terms, signature: await sign(accounts.wallets.payer, typedData) };
}

/** What the fixture's payer signs for the token itself. */
export async function authorizationOf(accounts: Accounts, changes: Changes) {
  const { signed } = termsOf(accounts, changes);
  const terms = {
    owner: accounts.wallets.payer.address,
    validAfter: 0n,
    validBefore: BigInt((await accounts.now()) + 60),
  };
  const typedData = authorizedDepositTypedData(signed, { ...terms, salt }, tokenDomain(accounts));
  return { ...terms, signature: await sign(accounts.wallets.payer, typedData) };
}

/** The four ways in: two in which the sender pays, two in which it submits what the fixture's payer signed. */
export const depositWays: Record<string, Deposit> = {
  deposit: async (accounts, changes = {}) => {
    const { signed, by } = termsOf(accounts, changes);
    return accounts.taskEscrow.connect(by).deposit(signed.payer, signed.facilitator, signed.amount);
  },
  depositWithPermit: async (accounts, changes = {}) => {
    const { signed, by } = termsOf(accounts, changes);
    await accounts.opg.connect(by).approve(accounts.addresses.taskEscrow, 0n);
    const { deadline, v, r, s } = await permitOf(accounts, changes);
    const { payer, facilitator, amount } = signed;
    return accounts.taskEscrow.connect(by).depositWithPermit(payer, facilitator, amount, deadline, v, r, s);
  },
  depositWithPermit2: async (accounts, changes = {}) => {
    const { signed, by } = termsOf(accounts, changes);
    const { nonce, deadline, signature } = await permit2SignatureOf(accounts, changes);
    const { payer, facilitator, amount } = signed;
    const owner = accounts.wallets.payer.address;
    return accounts.taskEscrow
      .connect(by)
      .depositWithPermit2(owner, payer, facilitator, amount, nonce, deadline, signature);
  },
  depositWithAuthorization: async (accounts, changes = {}) => {
    const { signed, by } = termsOf(accounts, changes);
    const { owner, validAfter, validBefore, signature } = await authorizationOf(accounts, changes);
    const { payer, facilitator, amount } = signed;
    return accounts.taskEscrow
      .connect(by)
      .depositWithAuthorization(owner, payer, facilitator, amount, validAfter, validBefore, salt, signature);
  },
};
