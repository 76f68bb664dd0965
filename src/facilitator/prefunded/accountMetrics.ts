import type { Registry } from "prom-client";
import type { AccountStates } from "#chain/accountStates.ts";
import type { Clock } from "#service/clock.ts";
import { addReadMetric } from "#service/readMetric.ts";
import type { PrefundedTasks, PrefundedTotals } from "#store/prefundedTasks.ts";

/** What prefunded calls are measured by. */
export interface AccountMetricsDependencies {
  store: Pick<PrefundedTasks, "prefundedTotals">;
  accounts: Pick<AccountStates, "size">;
  clock: Clock;
}

/**
 * What accounts are charged with. Numbers of the books are read from the database when they are asked for, so all replicas tell the
 * same. Amounts are atomic units, rounded as Prometheus' numbers are.
 */
export function addAccountMetrics(registry: Registry, { store, accounts, clock }: AccountMetricsDependencies): void {
  let reading: Promise<PrefundedTotals> | undefined;
  // All of them are asked for together.
  const totals = (): Promise<PrefundedTotals> => {
    reading ??= store.prefundedTotals().finally(() => (reading = undefined));
    return reading;
  };
  const add = (name: string, help: string, valueOf: (totals: PrefundedTotals) => number): void => {
    addReadMetric(registry, { name, help }, async () => [{ value: valueOf(await totals()) }]);
  };
  add("opg_prefunded_reserved_atomic", "Ceilings of the calls that are under way.", ({ reserved }) => Number(reserved));
  add("opg_prefunded_unsettled_atomic", "Charges that no batch has settled yet.", ({ unsettled }) => Number(unsettled));
  add(
    "opg_prefunded_oldest_unsettled_seconds",
    "How long a certified call has waited for its batch at most.",
    ({ oldestUnsettled }) => (oldestUnsettled === undefined ? 0 : Math.max(0, clock() - oldestUnsettled)),
  );
  add("opg_batch_receipts_waiting", "Charges that a batch may take now.", ({ waiting }) => waiting);
  add("opg_batch_receipts_set_aside", "Charges that verifiers refuse to settle.", ({ setAside }) => setAside);
  add("opg_prefunded_uncovered_atomic", "Charges that accounts do not cover.", ({ uncovered }) => Number(uncovered));
  add("opg_prefunded_uncovered_accounts", "Accounts that do not cover their charges.", (all) => all.uncoveredAccounts);
  add("opg_prefunded_accounts", "Accounts that have paid for a call.", (all) => all.accounts);
  addReadMetric(
    registry,
    { name: "opg_prefunded_accounts_followed", help: "Accounts that are kept in memory." },
    () => [{ value: accounts.size }],
  );
}
