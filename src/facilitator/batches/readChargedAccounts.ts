import type { BatchDependencies } from "./batchDependencies.ts";
import type { ChargedAccount } from "./chooseReceipts.ts";

/**
 * Accounts with the vouchers that are held for them, by payer; none of a payer who never showed one.
 *
 * @throws OpgError `chain_unavailable`
 */
export async function readChargedAccounts(
  { store, readAccounts }: Pick<BatchDependencies, "store" | "readAccounts">,
  payers: readonly string[],
): Promise<Map<string, ChargedAccount>> {
  const [vouchers, facts] = await Promise.all([store.vouchersOf(payers), readAccounts(payers)]);
  return new Map(
    facts.flatMap((account, index): [string, ChargedAccount][] => {
      const voucher = vouchers.get(payers[index] ?? "");
      return voucher ? [[voucher.payer, { facts: account, voucher }]] : [];
    }),
  );
}
