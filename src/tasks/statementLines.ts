import type { BaseWallet } from "ethers";
import { accountEvents } from "#chain/accountEvents.ts";
import { divisionOf, type SettledBatch } from "#chain/batches.ts";
import type { BlockRange, LogPlace } from "#chain/blockRange.ts";
import { MoneyEvents, type TaskCharge } from "#chain/moneyEvents.ts";
import { settledModel } from "#chain/settledModel.ts";
import { someAtOnce } from "#chain/someAtOnce.ts";
import { policyOf, splitCharge } from "#protocol/settlement.ts";
import { askReceipts } from "./askReceipts.ts";
import type { OpenNetwork } from "./openNetwork.ts";

/** What a line of a statement is about; the last four move money and are neither income nor spending. */
export const lineKinds = ["task", "batch", "pool", "deposit", "withdrawal", "payout"] as const;

/** Something that happened to somebody's money; amounts in atomic units. */
export interface StatementLine extends LogPlace {
  kind: (typeof lineKinds)[number];
  /** A taskId; of a batch whose receipts are not at hand, its id. */
  reference: string;
  /** versionId; empty where nobody tells. */
  model: string;
  /** The whole charge, or what moved. */
  amount: bigint;
  /** Of the charge, the shares of verifiers and treasury. */
  fees: bigint;
}

/** Whose receipts of batches can be asked for: facilitators show them to their parties only. */
export type Party = BaseWallet | undefined;

/** What a payer spent, task by task and in batches, and what went into and out of its accounts. */
export async function payerLines(
  opened: OpenNetwork,
  payer: string,
  range: BlockRange,
  party: Party,
): Promise<StatementLine[]> {
  const { network, provider, batches } = opened;
  const money = new MoneyEvents(network.contracts.taskEscrow, provider);
  const [charges, events] = await Promise.all([
    money.chargedTo(payer, range),
    accountEvents(provider, network.contracts.taskEscrow, { payer }, range),
  ]);
  const tasks = await someAtOnce(charges, (charge) => taskLine(opened, charge));
  const others = await someAtOnce(events, async (event): Promise<StatementLine[]> => {
    const place = placeIn(event);
    if (event.name === "Deposited") return [moveLine("deposit", event)];
    if (event.name === "AccountWithdrawn") return [moveLine("withdrawal", event)];
    if (event.name !== "AccountDebited") return [];
    const block = { fromBlock: event.blockNumber, toBlock: event.blockNumber };
    const { batchId: reference, amount } = event;
    const batch = await batches.settledBatch(reference, block);
    if (!batch) return [{ ...place, kind: "batch", reference, model: "", amount, fees: 0n }];
    const fees = amount - splitCharge(amount, policyOf(divisionOf(batch))).node;
    return batchLines(opened, batch, { payer }, { amount, fees }, party);
  });
  return inOrder([...tasks, ...others.flat()]);
}

/** What nodes earned for the address that they are paid out to, and what it was paid. */
export async function nodeLines(
  opened: OpenNetwork,
  payout: string,
  range: BlockRange,
  party: Party,
): Promise<StatementLine[]> {
  const { network, provider, batches } = opened;
  const money = new MoneyEvents(network.contracts.taskEscrow, provider);
  const [charges, credits, paid] = await Promise.all([
    money.chargedFor(payout, range),
    batches.creditsOf(payout, range),
    money.withdrawnBy(payout, range),
  ]);
  const tasks = await someAtOnce(charges, (charge) => taskLine(opened, charge));
  const inBatches = await someAtOnce(credits, async ({ batchId, charge, nodeAmount, blockNumber }) => {
    const batch = await batches.settledBatch(batchId, { fromBlock: blockNumber, toBlock: blockNumber });
    const share = { amount: charge, fees: charge - nodeAmount };
    return batch ? batchLines(opened, batch, { payout }, share, party) : [];
  });
  return inOrder([...tasks, ...inBatches.flat(), ...paid.map((move) => moveLine("payout", move))]);
}

/** A verifier's shares of the pools of past epochs, which no model can be named for, and what it was paid. */
export async function verifierLines(
  opened: OpenNetwork,
  verifier: string,
  range: BlockRange,
): Promise<StatementLine[]> {
  const money = new MoneyEvents(opened.network.contracts.taskEscrow, opened.provider);
  const [earned, paid] = await Promise.all([money.earnedBy(verifier, range), money.withdrawnBy(verifier, range)]);
  return inOrder([...earned.map((move) => moveLine("pool", move)), ...paid.map((move) => moveLine("payout", move))]);
}

async function taskLine({ network, provider }: OpenNetwork, charge: TaskCharge): Promise<StatementLine> {
  const model = (await settledModel(provider, network.contracts.settlement, charge.transactionHash)) ?? "";
  const { taskId: reference, charge: amount, nodeAmount } = charge;
  return { ...placeIn(charge), kind: "task", reference, model, amount, fees: amount - nodeAmount };
}

/** A line for each call where the facilitator shows receipts that add up to what the chain tells; else one for them all. */
async function batchLines(
  { network }: OpenNetwork,
  batch: SettledBatch,
  side: { payer: string } | { payout: string },
  { amount, fees }: { amount: bigint; fees: bigint },
  party: Party,
): Promise<StatementLine[]> {
  const place = { ...placeIn(batch), kind: "batch" as const };
  const whole = { ...place, reference: batch.batchId, model: "", amount, fees };
  if (!party) return [whole];
  const shown = await askReceipts(network, batch, party);
  const own = shown.filter(({ receipt }) =>
    "payer" in side ? receipt.payer === side.payer : receipt.payout === side.payout,
  );
  if (own.reduce((sum, { receipt }) => sum + receipt.amount, 0n) !== amount) return [whole];
  const policy = policyOf(divisionOf(batch));
  let left = fees;
  return own.map(({ receipt, model }, index) => {
    const share = receipt.amount - splitCharge(receipt.amount, policy).node;
    // Fees are rounded once for all calls together: the last one bears the difference.
    const ownFees = index === own.length - 1 ? left : share;
    left -= ownFees;
    return { ...place, reference: receipt.taskId, model, amount: receipt.amount, fees: ownFees };
  });
}

function moveLine(kind: StatementLine["kind"], move: LogPlace & { amount: bigint }): StatementLine {
  return { ...placeIn(move), kind, reference: "", model: "", amount: move.amount, fees: 0n };
}

function placeIn({ transactionHash, blockNumber }: LogPlace): LogPlace {
  return { transactionHash, blockNumber };
}

function inOrder(lines: readonly StatementLine[]): StatementLine[] {
  return lines.toSorted((one, other) => one.blockNumber - other.blockNumber);
}
