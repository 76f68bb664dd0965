import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { collectDefaultMetrics, Registry } from "prom-client";
import { documentedMetrics } from "./documentedMetrics.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const sources = readdirSync(new URL("src/", root), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => read(`src/${name}`))
  .join("\n");
const registered = [...new Set([...sources.matchAll(/"(opg_[a-z_]+)"/g)].map(([, name = ""]) => name))].sort();

/** What Prometheus makes of a metric of these names: histograms have three series each. */
function seriesNames(): Set<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const names = [...documentedMetrics(), ...registry.getMetricsAsArray().map(({ name }) => name)];
  return new Set(names.flatMap((name) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]));
}

function namesIn(expressions: string): string[] {
  return [...expressions.matchAll(/\b((?:opg|process|nodejs)_[a-z0-9_]+)/g)].map(([, name = ""]) => name);
}

describe("docs/operations.md", () => {
  it("explains every metric that is registered, and no other", () => {
    expect(documentedMetrics()).to.deep.equal(registered);
    expect(registered.length).to.be.greaterThan(20);
  });

  it("names every variable that a daemon reads", () => {
    const variables = new Set([...sources.matchAll(/^ +(OPG_[A-Z_]+|DATABASE_URL):/gm)].map(([, name = ""]) => name));
    expect(variables.size).to.be.greaterThan(20);
    for (const variable of variables) expect(read("docs/operations.md"), variable).to.include(`\`${variable}\``);
  });
});

describe("docs/dashboards", () => {
  const files = ["docs/dashboards/opg.json", "docs/dashboards/alerts.yml"];

  for (const file of files) {
    it(`asks in ${file} for metrics that there are`, () => {
      const series = seriesNames();
      const named = namesIn(read(file));
      expect(named.length).to.be.greaterThan(15);
      for (const name of named) expect(series.has(name), name).to.equal(true);
    });
  }

  it("shows every metric that is registered", () => {
    const named = new Set(
      namesIn(read("docs/dashboards/opg.json")).map((name) => name.replace(/_(bucket|count)$/, "")),
    );
    expect([...named].filter((name) => name.startsWith("opg_")).sort()).to.deep.equal(registered);
  });
});
