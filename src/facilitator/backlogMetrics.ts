import type { Registry } from "prom-client";
import { addReadMetric } from "#service/readMetric.ts";
import type { FacilitatorBacklog } from "#store/facilitatorBacklog.ts";

/** What is on its way and what is to be done still. All replicas read the same from their database. */
export function addBacklogMetrics(registry: Registry, store: FacilitatorBacklog): void {
  addReadMetric(
    registry,
    {
      name: "opg_outbox_transactions",
      help: "Transactions of the outbox, until they are forgotten.",
      labelNames: ["purpose", "status"],
    },
    async () => (await store.transactionCounts()).map(({ count, ...labels }) => ({ labels, value: count })),
  );
  addReadMetric(
    registry,
    { name: "opg_outbox_oldest_unsettled_seconds", help: "How long a transaction has been on its way at most." },
    async () => [{ value: await store.oldestSentSeconds() }],
  );
  addReadMetric(
    registry,
    { name: "opg_unfinished_tasks", help: "Tasks without an end.", labelNames: ["state"] },
    async () => (await store.unfinishedTasks()).map(({ state, count }) => ({ labels: { state }, value: count })),
  );
  addReadMetric(
    registry,
    { name: "opg_batches", help: "Batches, those that were given up by reason.", labelNames: ["state", "reason"] },
    async () => (await store.batchCounts()).map(({ count, ...labels }) => ({ labels, value: count })),
  );
  addReadMetric(
    registry,
    { name: "opg_unfinished_payments", help: "Merchants' payments without an end.", labelNames: ["state"] },
    async () => (await store.unfinishedPayments()).map(({ state, count }) => ({ labels: { state }, value: count })),
  );
}
