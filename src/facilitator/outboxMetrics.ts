import { Counter, type Registry } from "prom-client";
import { addReadMetric } from "#service/readMetric.ts";
import { isHeldUp, type Signers } from "./signers.ts";

/** What the outbox counts as it happens. */
export interface OutboxCounters {
  /** Transactions that were signed once more. */
  replaced: Counter<"reason">;
  /** Transactions that counted, and whose block was replaced. */
  reorged: Counter;
}

export function createOutboxCounters(registry: Registry): OutboxCounters {
  const registers = [registry];
  return {
    replaced: new Counter({
      name: "opg_outbox_replacements_total",
      help: "Transactions that were signed once more, by reason.",
      labelNames: ["reason"],
      registers,
    }),
    reorged: new Counter({
      name: "opg_outbox_reorged_total",
      help: "Transactions that counted until their block was replaced.",
      registers,
    }),
  };
}

/** What each signer has to do, as this process sees it. */
export function addSignersMetrics(registry: Registry, signers: Signers): void {
  const labelNames = ["signer"] as const;
  const onTheirWay = {
    name: "opg_signer_transactions",
    help: "Transactions of a signer that no block holds.",
    labelNames,
  };
  addReadMetric(registry, onTheirWay, () =>
    signers.all.map(({ address, onTheirWay: value }) => ({ labels: { signer: address }, value })),
  );
  const heldUp = { name: "opg_signer_held_up", help: "1 while nothing of a signer's gets into blocks.", labelNames };
  addReadMetric(registry, heldUp, () =>
    signers.all.map((signer) => ({ labels: { signer: signer.address }, value: isHeldUp(signer) ? 1 : 0 })),
  );
  const waiting = { name: "opg_outbox_waiting", help: "Calls that wait until a signer has room." };
  addReadMetric(registry, waiting, () => [{ value: signers.waiting }]);
}
