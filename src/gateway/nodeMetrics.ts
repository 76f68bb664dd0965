import type { Registry } from "prom-client";
import type { NodeMeasuresJson } from "#protocol/nodeListing.ts";
import { addReadMetric } from "#service/readMetric.ts";
import { type Demand, demandKinds } from "./demand.ts";
import type { Gateway } from "./gateway.ts";
import { taskOutcomes } from "./judgeFailure.ts";

/** Each is a series of its own. */
const MAX_VERSIONS = 50;

type Measured = NodeMeasuresJson["versions"][number];

/**
 * Registers what is measured of nodes and of demand, all of it in the window of ten minutes. Nodes that are active no
 * more are left out: a node that starts again is a new one, and series would pile up.
 */
export function addNodeMetrics({ operations, nodes, demand }: Pick<Gateway, "operations" | "nodes" | "demand">): void {
  const { registry } = operations;
  const perNode = async <Sample>(read: (node: string, measures: NodeMeasuresJson) => Sample[]): Promise<Sample[]> => {
    const active = await nodes.listActive();
    return active.flatMap(({ registered: { address } }) => read(address, nodes.measures.of(address)));
  };
  addReadMetric(registry, { name: "opg_serving_nodes", help: "Nodes that are active and answer." }, async () => [
    { value: (await nodes.list()).length },
  ]);
  const tasks = { name: "opg_node_tasks", help: "Tasks of the last ten minutes by node and outcome." };
  addReadMetric(registry, { ...tasks, labelNames: ["node", "outcome"] }, () =>
    perNode((node, { versions }) =>
      taskOutcomes.map((outcome) => ({ labels: { node, outcome }, value: sum(versions, (one) => one.tasks[outcome]) })),
    ),
  );
  const running = {
    name: "opg_node_running_tasks",
    help: "Tasks that run at a node now.",
    labelNames: ["node"] as const,
  };
  addReadMetric(registry, running, () => perNode((node, measures) => [{ labels: { node }, value: measures.running }]));
  const median = {
    name: "opg_node_median_seconds",
    help: "Median of a node's answered tasks, of its slowest version.",
  };
  addReadMetric(registry, { ...median, labelNames: ["node"] }, () =>
    perNode((node, { versions }) => {
      const medians = versions.flatMap(({ medianSeconds }) => (medianSeconds === null ? [] : [medianSeconds]));
      return medians.length > 0 ? [{ labels: { node }, value: Math.max(...medians) }] : [];
    }),
  );
  const shutOut = { name: "opg_node_versions_shut_out", help: "Versions that a node gets no tasks of." };
  addReadMetric(registry, { ...shutOut, labelNames: ["node"] }, () =>
    perNode((node, { versions }) => [
      { labels: { node }, value: sum(versions, ({ state }) => Number(state === "open")) },
    ]),
  );
  addDemandMetric(registry, demand);
}

function addDemandMetric(registry: Registry, demand: Demand): void {
  const wanted = { name: "opg_demand", help: "What was asked for in the last ten minutes, by version and kind." };
  addReadMetric(registry, { ...wanted, labelNames: ["version", "kind"] }, () =>
    demand
      .list(MAX_VERSIONS)
      .flatMap((version) =>
        demandKinds.map((kind) => ({ labels: { version: version.versionId, kind }, value: version[kind] })),
      ),
  );
}

function sum(versions: readonly Measured[], numberOf: (version: Measured) => number): number {
  return versions.reduce((total, version) => total + numberOf(version), 0);
}
