import { Counter, Gauge, type Registry } from "prom-client";
import type { FacilitatorExposure } from "#store/facilitatorExposure.ts";

/**
 * What payers owe without a lock, and what was lost and to whom. Every number is read from the database when it is asked
 * for, so all replicas tell the same and no start forgets any. Amounts are atomic units, rounded as Prometheus' numbers are.
 */
export function addExposureMetrics(registry: Registry, store: FacilitatorExposure, exposureCap: bigint): void {
  const registers = [registry];
  new Gauge({
    ...{ name: "opg_exposure_cap_atomic", help: "What one payer may owe of a token without a lock.", registers },
    collect() {
      this.set(Number(exposureCap));
    },
  });
  new Gauge({
    ...{ name: "opg_exposure_outstanding_atomic", help: "What all payers owe without a lock.", registers },
    labelNames: ["token"],
    async collect() {
      const totals = await store.outstandingTotals();
      this.reset();
      for (const { token, amount } of totals) this.set({ token }, Number(amount));
    },
  });
  new Gauge({
    ...{ name: "opg_exposure_payers", help: "Payers who owe something without a lock.", registers },
    labelNames: ["token"],
    async collect() {
      const totals = await store.outstandingTotals();
      this.reset();
      for (const { token, payers } of totals) this.set({ token }, payers);
    },
  });
  addLossMetrics(registers, store);
}

function addLossMetrics(registers: Registry[], store: FacilitatorExposure): void {
  new Counter({
    ...{ name: "opg_losses_atomic_total", help: "Charges that nobody could collect, by who lost them.", registers },
    labelNames: ["role", "to", "token"],
    async collect() {
      const totals = await store.lossTotals();
      this.reset();
      for (const { role, recipient, token, amount } of totals) {
        this.inc({ role, to: recipient, token }, Number(amount));
      }
    },
  });
  new Counter({
    ...{ name: "opg_losses_total", help: "Payments whose charge nobody could collect, by reason.", registers },
    labelNames: ["reason"],
    async collect() {
      const counts = await store.lossCounts();
      this.reset();
      for (const { reason, count } of counts) this.inc({ reason }, count);
    },
  });
}
