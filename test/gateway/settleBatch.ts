import { id } from "ethers";
import { BatchesAdapter } from "#chain/batches.ts";
import { batchIdOf, batchReceiptToJson, batchToJson, batchTypedData } from "#protocol/batch.ts";
import type { BatchProofJson } from "#protocol/batchProof.ts";
import { type Result, resultHashOf } from "#protocol/result.ts";
import type { Task } from "#protocol/task.ts";
import { batchContentOf, batchWith } from "#service/batchContent.ts";
import { certify, type NetworkFixture } from "#test/contracts/fixture.ts";
import type { AccountPeer } from "./accountPeer.ts";

/**
 * Settles results of tasks that accounts pay for in one batch on the test chain, as the fixture's facilitator and verifiers.
 *
 * @param accounts - the vouchers
 * @returns the proof of each
 */
export async function settleBatch(
  { provider, addresses, wallets, domainOf }: NetworkFixture,
  owed: readonly { task: Task; result: Result }[],
  accounts: AccountPeer,
): Promise<BatchProofJson[]> {
  const settlement = domainOf("settlement");
  const adapter = new BatchesAdapter(addresses.settlement, provider);
  const facilitator = wallets.facilitator.address;
  const receipts = owed.map(({ task: { payer }, result }) => {
    const { taskId, payout, amount } = result;
    return {
      salt: id(`salt of ${taskId}`),
      taskId,
      resultHash: resultHashOf(result, settlement),
      payer,
      payout,
      amount,
    };
  });
  const content = batchContentOf(receipts);
  const batch = batchWith(content, { facilitator, previous: await adapter.headOf(facilitator), epoch: 1n });
  const debits = content.debits.map((debit) => ({ ...debit, ...accounts.voucherOf(debit.account) }));
  const signatures = await certify(wallets.verifiers.slice(0, 2), batchTypedData(batch, settlement));
  const call = adapter.populateSettleBatch(batch, receipts.length, debits, content.credits, signatures);
  const { hash } = await wallets.facilitator.sendTransaction(call);
  return receipts.map((receipt, index) => ({
    batchId: batchIdOf(batch, settlement),
    batch: batchToJson(batch),
    receipt: batchReceiptToJson(receipt),
    path: content.tree.getProof(content.leaves[index] ?? ""),
    transaction: hash,
  }));
}
