import type { Registry } from "prom-client";
import { addReadMetric } from "#service/readMetric.ts";
import type { FacilitatorExposure } from "#store/facilitatorExposure.ts";

/**
 * What payers owe without a lock, and what was lost and to whom. Every number is read from the database when it is asked
 * for, so all replicas tell the same and no start forgets any. Amounts are atomic units, rounded as Prometheus' numbers are.
 */
export function addExposureMetrics(registry: Registry, store: FacilitatorExposure, exposureCap: bigint): void {
  addReadMetric(
    registry,
    { name: "opg_exposure_cap_atomic", help: "What one payer may owe of a token without a lock." },
    () => [{ value: Number(exposureCap) }],
  );
  addReadMetric(
    registry,
    {
      name: "opg_exposure_outstanding_atomic",
      help: "What all payers owe without a lock.",
      labelNames: ["token"],
    },
    async () =>
      (await store.outstandingTotals()).map(({ token, amount }) => ({ labels: { token }, value: Number(amount) })),
  );
  addReadMetric(
    registry,
    { name: "opg_exposure_payers", help: "Payers who owe something without a lock.", labelNames: ["token"] },
    async () => (await store.outstandingTotals()).map(({ token, payers }) => ({ labels: { token }, value: payers })),
  );
  addLossMetrics(registry, store);
}

function addLossMetrics(registry: Registry, store: FacilitatorExposure): void {
  addReadMetric(
    registry,
    {
      name: "opg_losses_atomic_total",
      help: "Charges that nobody could collect, by who lost them.",
      type: "counter",
      labelNames: ["role", "to", "token"],
    },
    async () =>
      (await store.lossTotals()).map(({ role, recipient, token, amount }) => ({
        labels: { role, to: recipient, token },
        value: Number(amount),
      })),
  );
  addReadMetric(
    registry,
    {
      name: "opg_losses_total",
      help: "Payments whose charge nobody could collect, by reason.",
      type: "counter",
      labelNames: ["reason"],
    },
    async () => (await store.lossCounts()).map(({ reason, count }) => ({ labels: { reason }, value: count })),
  );
}
