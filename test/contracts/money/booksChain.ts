import { id, MaxUint256, Signature, type Wallet, ZeroAddress, ZeroHash } from "ethers";
import { batchTypedData, creditsDigest, debitsDigest, shareWord } from "#protocol/batch.ts";
import { voucherTypedData } from "#protocol/voucher.ts";
import { asObject, certify, sign } from "#test/contracts/fixture.ts";
import { payersOf } from "./accountsFixture.ts";
import {
  accountOf,
  type Books,
  creditsOf,
  DESKS,
  KEYS,
  type ModelBatch,
  NOBODY,
  type Operation,
  PAYERS,
  voucherOf,
} from "./booksModel.ts";
import { ascending, ethers, loadMoney, type Money, networkHelpers, nextAt, walletOf } from "./moneyFixture.ts";

const POCKET = 10n ** 9n;
const payers = payersOf(PAYERS);
/** Who can sign, by the model's numbers. */
const signers = [...payers, ...Array.from({ length: KEYS + 1 }, (_, index) => walletOf(`voucher key ${index}`))];
const desks = Array.from({ length: DESKS }, (_, index) => walletOf(`desk ${index}`).address);
const nodes = ascending([walletOf("node A"), walletOf("node B")]);
const stranger = walletOf("stranger").address;
const GAS = "0x1e8480";

type Call = { from: string; to: string; data: string };

/** The contracts, driven by the same operations as the model. */
export type BooksChain = ReturnType<typeof chainOf>;

/** Contracts with payers who have money and approved the escrow, fresh for each sequence. */
export async function loadChain(): Promise<BooksChain> {
  return chainOf(await networkHelpers.loadFixture(withPayers));
}

async function withPayers(): Promise<Money> {
  const money = await loadMoney();
  const { opg, wallets, addresses } = money;
  const senders = [...payers.map(({ address }) => address), ...desks, stranger, addresses.timelock];
  for (const sender of senders) {
    await networkHelpers.impersonateAccount(sender);
    await networkHelpers.setBalance(sender, 10n ** 20n);
  }
  for (const { address } of payers) {
    await opg.connect(wallets.payer).transfer(address, POCKET);
    const data = opg.interface.encodeFunctionData("approve", [addresses.taskEscrow, MaxUint256]);
    await send(money, { from: address, to: addresses.opg, data });
  }
  return money;
}

/** @returns name of the error that it was refused with */
async function send({ taskEscrow, settlement }: Money, call: Call): Promise<string | undefined> {
  try {
    await ethers.provider.send("eth_sendTransaction", [{ ...call, gas: GAS }]);
    return undefined;
  } catch (error) {
    const data = revertData(error);
    const parsed = taskEscrow.interface.parseError(data) ?? settlement.interface.parseError(data);
    if (!parsed) throw error;
    return parsed.name;
  }
}

function revertData(error: unknown): string {
  if (error instanceof Error && "data" in error) {
    if (typeof error.data === "string") return error.data;
    if (error.data instanceof Object && "data" in error.data) return String(error.data.data);
  }
  throw error;
}

function chainOf(money: Money) {
  const heads = desks.map(() => ZeroHash);
  return {
    parameters: money.parameters,
    now: money.now,
    heads,
    /** Does it at the model's time. `books` are those before. @returns name of the error that it was refused with */
    perform: async (books: Books, operation: Operation): Promise<string | undefined> => {
      if (operation.kind === "wait") return undefined;
      if (operation.kind !== "settleBatch") {
        await nextAt(books.now);
        return send(money, callOf(money, operation));
      }
      const { call, batchId } = await batchOf(money, books, operation, heads);
      await nextAt(books.now);
      const refused = await send(money, call);
      if (!refused) heads[operation.desk] = batchId;
      return refused;
    },
    account: (payer: number, desk: number) => readAccount(money, payer, desk),
    rest: () => readRest(money),
  };
}

function callOf(
  { taskEscrow, settlement, addresses }: Money,
  operation: Exclude<Operation, ModelBatch | { kind: "wait" }>,
): Call {
  const escrow = taskEscrow.interface;
  const to = addresses.taskEscrow;
  const addressOf = (payer: number): string => payers[payer]!.address;
  switch (operation.kind) {
    case "deposit": {
      const { funder, payer, desk, amount } = operation;
      const data = escrow.encodeFunctionData("deposit", [addressOf(payer), desks[desk]!, amount]);
      return { from: addressOf(funder), to, data };
    }
    case "initiate": {
      const data = escrow.encodeFunctionData("initiateWithdraw", [desks[operation.desk]!, operation.amount]);
      return { from: addressOf(operation.payer), to, data };
    }
    case "finalize": {
      const terms: [string, string] = [addressOf(operation.payer), desks[operation.desk]!];
      return { from: stranger, to, data: escrow.encodeFunctionData("finalizeWithdraw", terms) };
    }
    case "setAuthorizer": {
      const key = operation.key === NOBODY ? ZeroAddress : signers[operation.key]!.address;
      const data = escrow.encodeFunctionData("setAuthorizer", [desks[operation.desk]!, key]);
      return { from: addressOf(operation.payer), to, data };
    }
    case "withdraw":
      return { from: stranger, to, data: escrow.encodeFunctionData("withdraw", [nodes[operation.node]!]) };
    case "setPaused":
      return { from: addresses.timelock, to, data: escrow.encodeFunctionData("setEntriesPaused", [operation.paused]) };
    case "setFees": {
      const { verifierBps, treasuryBps } = operation;
      const data = settlement.interface.encodeFunctionData("setFees", [verifierBps, treasuryBps]);
      return { from: addresses.timelock, to: addresses.settlement, data };
    }
  }
}

async function batchOf(money: Money, books: Books, planned: ModelBatch, heads: readonly string[]) {
  const { settlement, wallets, addresses, domainOf } = money;
  const { desk, charges, receipts } = planned;
  const facilitator = desks[desk]!;
  const taken = charges.map(({ payer, amount }) => ({ account: payers[payer]!.address, amount }));
  const credits = creditsOf(planned).map((amount, node) => ({ account: nodes[node]!, amount }));
  const batch = {
    facilitator,
    epoch: 1n,
    previous: planned.isStale ? id("another head") : heads[desk]!,
    root: id("root"),
    debits: debitsDigest(taken),
    credits: creditsDigest(receipts, credits),
  };
  const debits = charges.map(async (charge, index) => {
    const { cap, key } = voucherOf(books, desk, charge);
    const voucher = { payer: payers[charge.payer]!.address, facilitator, cap };
    const { r, yParityAndS: vs } = await signatureOf(signers[key]!, voucherTypedData(voucher, domainOf("taskEscrow")));
    return { share: shareWord(taken[index]!), cap, r, vs };
  });
  const signatures = await certify(wallets.verifiers.slice(0, 2), batchTypedData(batch, domainOf("settlement")));
  const data = settlement.interface.encodeFunctionData("settleBatch", [
    batch,
    receipts,
    await Promise.all(debits),
    credits.map(shareWord),
    signatures,
  ]);
  const call = { from: planned.byStranger ? stranger : facilitator, to: addresses.settlement, data };
  return { call, batchId: await settlement.batchIdOf(batch) };
}

async function signatureOf(signer: Wallet, typedData: Parameters<typeof sign>[1]): Promise<Signature> {
  return Signature.from(await sign(signer, typedData));
}

/** An account as the model writes it. */
async function readAccount({ taskEscrow }: Money, payer: number, desk: number) {
  const [account, keys] = await Promise.all([
    taskEscrow.accounts(payers[payer]!.address, desks[desk]!),
    taskEscrow.authorizers(payers[payer]!.address, desks[desk]!),
  ]);
  const numberOf = (address: string): number => signers.findIndex((signer) => signer.address === address);
  return {
    balance: account.balance,
    spent: account.spent,
    withdrawing: account.withdrawing,
    withdrawableAt: Number(account.withdrawableAt),
    current: numberOf(keys.current),
    previous: numberOf(keys.previous),
    previousUntil: Number(keys.previousUntil),
  };
}

/** All else that the model knows. */
async function readRest({ taskEscrow, settlement, opg, addresses }: Money) {
  return {
    pockets: await Promise.all(payers.map(async ({ address }) => (await opg.balanceOf(address)) - POCKET)),
    earnings: await Promise.all(nodes.map((node) => taskEscrow.earnings(node))),
    pool: asObject(await settlement.pools(1)),
    heads: await Promise.all(desks.map((desk) => settlement.heads(desk))),
    held: await opg.balanceOf(addresses.taskEscrow),
  };
}

/** What {@link BooksChain.rest} must read. */
export function restOf(books: Books, heads: readonly string[]) {
  const inAccounts = payers.flatMap((_, payer) => desks.map((__, desk) => accountOf(books, payer, desk).balance));
  const earnings = nodes.map((_, node) => books.earnings.get(node) ?? 0n);
  const { verifierAmount, treasuryAmount } = books.pool;
  return {
    pockets: payers.map((_, payer) => books.pockets.get(payer) ?? 0n),
    earnings,
    pool: books.pool,
    heads,
    held: [...inAccounts, ...earnings, verifierAmount, treasuryAmount].reduce((sum, amount) => sum + amount, 0n),
  };
}
