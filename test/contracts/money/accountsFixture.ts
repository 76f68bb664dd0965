import { MaxUint256, Signature, type TransactionResponse, Wallet } from "ethers";
import {
  type Batch,
  batchTypedData,
  creditsDigest,
  debitsDigest,
  type Share,
  shareWord,
  sharesOf,
} from "#protocol/batch.ts";
import type { Domain } from "#protocol/typedData.ts";
import { type Voucher, voucherTypedData } from "#protocol/voucher.ts";
import { asObject, certify, sign } from "#test/contracts/fixture.ts";
import { ethers, loadMoney, type Money, networkHelpers, walletOf } from "./moneyFixture.ts";

/** Root of the batches here: what it stands for is no matter of the contracts'. */
const root = ethers.id("root");

/** Whoever has an address and signs. */
type Signing = Pick<Wallet, "address" | "signTypedData">;

/** What a batch is to take from a payer; the voucher covers exactly this and is the payer's own, unless said otherwise. */
export interface Charge {
  payer: Signing;
  amount: bigint;
  cap?: bigint;
  signer?: Signing;
  /** What the voucher says instead. */
  voucher?: Partial<Voucher>;
  domain?: Partial<Domain>;
}

/** A batch before it is certified and submitted. */
export interface PlannedBatch {
  batch: Batch;
  receipts: number;
  debits: { share: string; cap: bigint; r: string; vs: string }[];
  credits: string[];
}

/** The network with a payer who has approved the escrow, and ways to use prefunded accounts. */
export type Accounts = Awaited<ReturnType<typeof accountsFixture>>;

async function accountsFixture() {
  const money = await loadMoney();
  await money.opg.connect(money.wallets.payer).approve(money.addresses.taskEscrow, MaxUint256);
  return { ...money, ...accountUse(money), ...batchMaking(money) };
}

/** The contracts, fresh for each test. */
export function loadAccounts(): Promise<Accounts> {
  return networkHelpers.loadFixture(accountsFixture);
}

/** Wallets of payers, ascending by address. */
export function payersOf(count: number): Wallet[] {
  const wallets = Array.from({ length: count }, (_, index) => walletOf(`payer ${index}`));
  return wallets.sort((one, other) => (BigInt(one.address) < BigInt(other.address) ? -1 : 1));
}

/** Three payers, ascending by address. */
export const [ann, bob, carl] = payersOf(3) as [Wallet, Wallet, Wallet];

/** A wallet that sends, with ether for it. */
export async function funded(wallet: Wallet): Promise<Wallet> {
  await networkHelpers.setBalance(wallet.address, 10n ** 18n);
  return wallet.connect(ethers.provider);
}

/** Sends as an account that has code and no key. */
export async function impersonated(address: string) {
  await networkHelpers.impersonateAccount(address);
  await networkHelpers.setBalance(address, 10n ** 18n);
  return ethers.getSigner(address);
}

function accountUse({ taskEscrow, wallets, addresses, govern }: Money) {
  const facilitator = wallets.facilitator.address;
  return {
    /** Funds an account out of the payer's pocket. */
    deposit: (amount: bigint, payer: { address: string } = wallets.payer, at = facilitator) =>
      taskEscrow.connect(wallets.payer).deposit(payer.address, at, amount),
    accountOf: async (payer: { address: string } = wallets.payer, at = facilitator) =>
      asObject(await taskEscrow.accounts(payer.address, at)) as Record<
        "balance" | "spent" | "withdrawing" | "withdrawableAt",
        bigint
      >,
    setPaused: (paused: boolean): Promise<void> =>
      govern({
        to: addresses.taskEscrow,
        data: taskEscrow.interface.encodeFunctionData("setEntriesPaused", [paused]),
      }),
  };
}

function batchMaking({ settlement, wallets, domainOf }: Money) {
  const facilitator = wallets.facilitator.address;
  const debitOf = async ({ payer, amount, domain, ...charge }: Charge): Promise<PlannedBatch["debits"][number]> => {
    const cap = charge.cap ?? amount;
    const { signer = payer } = charge;
    const voucher = { payer: payer.address, facilitator, cap, ...charge.voucher };
    const typedData = voucherTypedData(voucher, { ...domainOf("taskEscrow"), ...domain });
    const { r, yParityAndS: vs } = Signature.from(await sign(signer, typedData));
    return { share: shareWord({ account: payer.address, amount }), cap, r, vs };
  };
  /** A batch that takes the charges, and pays all of them to the operator unless said otherwise. */
  const plan = async (
    charges: readonly Charge[],
    {
      receipts = 1,
      credits,
      ...changes
    }: Omit<Partial<Batch>, "credits"> & { receipts?: number; credits?: Share[] } = {},
  ): Promise<PlannedBatch> => {
    const total = charges.reduce((sum, { amount }) => sum + amount, 0n);
    const paid = credits ?? sharesOf([{ account: wallets.operator.address, amount: total }]);
    const taken = charges.map(({ payer, amount }) => ({ account: payer.address, amount }));
    const batch: Batch = {
      facilitator,
      previous: await settlement.heads(facilitator),
      root,
      debits: debitsDigest(taken),
      credits: creditsDigest(receipts, paid),
      epoch: 1n,
      ...changes,
    };
    const debits = await Promise.all(charges.map((charge) => debitOf(charge)));
    return { batch, receipts, debits, credits: paid.map(shareWord) };
  };
  /** Submits a batch under a certificate of the first two verifiers, by the facilitator, unless said otherwise. */
  const submit = async (
    { batch, receipts, debits, credits }: PlannedBatch,
    {
      by = wallets.facilitator,
      signers = wallets.verifiers.slice(0, 2),
      domain = {},
    }: { by?: Wallet; signers?: readonly Wallet[]; domain?: Partial<Domain> } = {},
  ): Promise<TransactionResponse> => {
    const signatures = await certify(signers, batchTypedData(batch, { ...domainOf("settlement"), ...domain }));
    return settlement.connect(by).settleBatch(batch, receipts, debits, credits, signatures);
  };
  return {
    plan,
    submit,
    /** A batch of these charges, paid. */
    settleBatch: async (charges: readonly Charge[], changes: Parameters<typeof plan>[1] = {}) =>
      submit(await plan(charges, changes)),
  };
}
