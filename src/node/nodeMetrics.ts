import type { Clock } from "#service/clock.ts";
import type { Operations } from "#service/operations.ts";
import { addReadMetric } from "#service/readMetric.ts";
import type { AdmissionDuty } from "./admissionDuty.ts";
import type { RemoteEnclave } from "./remoteEnclave.ts";
import type { RunnableModels } from "./runnableModels.ts";

/** What a node's numbers are read from. */
export interface NodeMetricsSources {
  enclave: Pick<RemoteEnclave, "executions">;
  models: Pick<RunnableModels, "versions">;
  admission: Pick<AdmissionDuty, "leaseUntil">;
  clock: Clock;
}

/** Registers what an operator has to know of a node. */
export function addNodeMetrics(
  { registry }: Operations,
  { enclave, models, admission, clock }: NodeMetricsSources,
): void {
  const executions = { name: "opg_enclave_executions_total", help: "Tasks that the enclave has begun to run." };
  addReadMetric(registry, { ...executions, type: "counter" }, async () => [{ value: await enclave.executions() }]);
  const versions = { name: "opg_runnable_versions", help: "Published versions that this node can run." };
  addReadMetric(registry, versions, () => [{ value: models.versions.length }]);
  const lease = { name: "opg_lease_seconds_left", help: "Until the node's admission ends; 0 where it has none." };
  addReadMetric(registry, lease, () => [{ value: Math.max(0, admission.leaseUntil - clock()) }]);
}
