import { expect } from "chai";
import { Registry } from "prom-client";
import { addReadMetric } from "#service/readMetric.ts";

describe("a metric that is read when it is asked for", () => {
  it("tells what is so now, and nothing of before", async () => {
    const registry = new Registry();
    let tokens = ["a", "b"];
    addReadMetric(registry, { name: "opg_test", help: "Test.", labelNames: ["token"] }, () =>
      tokens.map((token, index) => ({ labels: { token }, value: index + 1 })),
    );
    expect(await registry.metrics())
      .to.include('opg_test{token="a"} 1')
      .and.to.include('opg_test{token="b"} 2');
    tokens = ["b"];
    expect(await registry.metrics())
      .to.include('opg_test{token="b"} 1')
      .and.not.to.include('token="a"');
  });

  it("is left out where it cannot be read, neither 0 nor stale, and the others stay", async () => {
    const registry = new Registry();
    let works = true;
    const read = () => (works ? Promise.resolve([{ value: 7 }]) : Promise.reject(new Error("gone")));
    addReadMetric(registry, { name: "opg_test_gauge", help: "Test." }, read);
    addReadMetric(registry, { name: "opg_test_counter_total", help: "Test.", type: "counter" }, read);
    addReadMetric(registry, { name: "opg_test_other", help: "Test." }, () => [{ value: 5 }]);
    const valuesOf = async () =>
      [...(await registry.metrics()).matchAll(/^(opg_test_\w+) (\d+)$/gm)].map(([line]) => line);
    const all = ["opg_test_gauge 7", "opg_test_counter_total 7", "opg_test_other 5"];
    expect(await valuesOf()).to.deep.equal(all);
    works = false;
    expect(await valuesOf()).to.deep.equal(["opg_test_other 5"]);
    expect(await registry.metrics()).to.match(/opg_metrics_unread_total\{metric="opg_test_gauge"\} [12]/);
    works = true;
    expect(await valuesOf()).to.deep.equal(all);
  });
});
