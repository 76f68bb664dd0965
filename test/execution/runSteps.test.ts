import { expect } from "chai";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { inspectModel, type Model } from "#execution/inspectModel.ts";
import { SCAN_KEY } from "#execution/readScan.ts";
import { runSteps, runTask } from "#execution/runSteps.ts";
import { OpgError } from "#protocol/errors.ts";
import { joinSteps, MAX_STEPS } from "#protocol/steps.ts";
import type { NamedTensors } from "#protocol/tensors.ts";
import { body, buildGraph, graphOf, node, value } from "./buildGraph.ts";
import { rejection } from "./rejection.ts";
import { float32, summed, summingInputs, summingModel } from "./summingModel.ts";
import { create } from "@bufbuild/protobuf";
import { AttributeProto_AttributeType, AttributeProtoSchema } from "onnx-buf";

/** ONNX's own operator `Scan` over the same step, as one graph. */
const unrolled = buildGraph({
  inputs: [value("sum", "float32", [2]), value("x", "float32", ["n", 2]), value("scale", "float32", [2])],
  outputs: [value("last", "float32", [2]), value("scaled", "float32", ["n", 2])],
  nodes: [
    node(
      "Scan",
      ["sum", "x"],
      ["last", "scaled"],
      [
        body(
          graphOf({
            inputs: [value("before", "float32", [2]), value("piece", "float32", [2])],
            outputs: [value("next", "float32", [2]), value("out", "float32", [2])],
            nodes: [node("Add", ["piece", "before"], ["next"]), node("Mul", ["next", "scale"], ["out"])],
          }),
        ),
        create(AttributeProtoSchema, { name: "num_scan_inputs", type: AttributeProto_AttributeType.INT, i: 1n }),
      ],
    ),
  ],
});

/** A model that doubles floats, of as many as there are, and says so under the key of scans. */
function doubling(scan: unknown, outputs = [value("y", "float32", ["n"])]): Model {
  const metadata = { [SCAN_KEY]: typeof scan === "string" ? scan : JSON.stringify(scan) };
  const inputs = [value("x", "float32", ["n"])];
  return inspectModel(buildGraph({ inputs, outputs, nodes: [node("Add", ["x", "x"], ["y"])], metadata }));
}

describe("runSteps", function () {
  this.timeout(60_000);
  let executor: Executor;
  const model = inspectModel(summingModel);

  before(async () => {
    executor = await createExecutor();
  });
  after(() => executor.close());

  async function stepsOf(inputs: NamedTensors, by: Executor = executor): Promise<NamedTensors[]> {
    const steps: NamedTensors[] = [];
    for await (const step of runSteps(by, model, inputs)) steps.push(step);
    return steps;
  }

  it("has the steps as first dimension of what is cut and of what is given away, and gives no state away", () => {
    expect(model.inputs.map(({ shape }) => shape)).to.deep.equal([["opg.steps", 2], [2], [2]]);
    expect(model.outputs).to.deep.equal([{ name: "scaled", dtype: "float32", shape: ["opg.steps", 2] }]);
  });

  it("gives bit for bit what ONNX's operator Scan gives over the same step", async () => {
    const inputs = summingInputs(7);
    const { scaled } = await executor.run(inspectModel(unrolled), inputs);
    expect(await runTask(executor, model, inputs)).to.deep.equal({ scaled });
    expect(await runTask(executor, model, inputs)).to.deep.equal(summed(7));
  });

  it("gives after each step what a task of so many steps gives", async () => {
    const steps = await stepsOf(summingInputs(5));
    for (let count = 0; count <= 5; count++) {
      expect(joinSteps(model.outputs, steps.slice(0, count))).to.deep.equal(summed(count));
    }
  });

  it("computes no step before it is asked for, and lets other runs go in between", async () => {
    let runs = 0;
    const counting: Executor = {
      close: () => executor.close(),
      run: (graph, inputs) => {
        runs += 1;
        return executor.run(graph, inputs);
      },
    };
    const running = runSteps(counting, model, summingInputs(3));
    await running.next();
    expect(runs).to.equal(1);
    expect(await runTask(executor, model, summingInputs(1))).to.deep.equal(summed(1));
    await running.next();
    expect(runs).to.equal(2);
  });

  it("waits for a place in the queue once it has begun, and not before", async () => {
    let asked = 0;
    const crowded: Executor = {
      close: () => executor.close(),
      run: (graph, inputs) => {
        asked += 1;
        if (asked === 2 || asked === 3) return Promise.reject(new OpgError("rate_limited", "16 runs are waiting."));
        return executor.run(graph, inputs);
      },
    };
    expect(await stepsOf(summingInputs(2), crowded)).to.have.lengthOf(2);
    expect(asked).to.equal(4);
    const closed: Executor = { ...crowded, run: () => Promise.reject(new OpgError("rate_limited", "Full.")) };
    expect(await rejection(stepsOf(summingInputs(2), closed))).to.include({ code: "rate_limited" });
  });

  it("takes one step at least, not more than the limit, and inputs of as many steps each", async () => {
    for (const steps of [0, MAX_STEPS + 1]) {
      expect(await rejection(stepsOf(summingInputs(steps)))).to.include({ code: "invalid_tensor" });
    }
    const two = doubling2();
    const x = float32([2, 1], [1, 2]);
    const uneven = rejection(runTask(executor, two, { x, z: float32([3, 1], [1, 2, 3]) }));
    expect(await uneven).to.include({ code: "invalid_tensor" });
    expect(await runTask(executor, two, { x, z: x })).to.deep.equal({ y: float32([2, 1], [2, 4]) });
  });

  it("runs no model whose steps would not have outputs of one shape, or a state that fits", async () => {
    const growing = inspectModel(
      buildGraph({
        inputs: [value("x", "float32", ["n"]), value("all", "float32", ["m"])],
        outputs: [value("more", "float32", ["k"]), value("copy", "float32", ["k"])],
        nodes: [node("Concat", ["x", "all"], ["more"], [axis]), node("Identity", ["more"], ["copy"])],
        metadata: { [SCAN_KEY]: JSON.stringify({ scanned: ["x"], state: { all: "more" } }) },
      }),
    );
    const inputs = { x: float32([2, 1], [1, 2]), all: float32([1], [0]) };
    expect(await rejection(runTask(executor, growing, inputs))).to.include({ code: "execution_failed" });
  });

  for (const [what, scan] of [
    ["is not JSON", "{"],
    ["names no input that is cut", { scanned: [] }],
    ["names an input that is not there", { scanned: ["z"] }],
    ["names a state that is not there", { scanned: ["x"], state: { z: "y" } }],
    ["uses one input twice", { scanned: ["x", "x"] }],
    ["gives nothing away", { scanned: ["x"], state: { x: "y" } }],
    ["says something else, too", { scanned: ["x"], reversed: true }],
  ] as const) {
    it(`refuses a model whose metadata ${what}`, () => {
      expect(() => doubling(scan))
        .to.throw(OpgError)
        .that.has.property("code", "invalid_model");
    });
  }
});

const axis = create(AttributeProtoSchema, { name: "axis", type: AttributeProto_AttributeType.INT, i: 0n });

/** y = x + z, both cut into steps. */
function doubling2(): Model {
  return inspectModel(
    buildGraph({
      inputs: [value("x", "float32", ["n"]), value("z", "float32", ["n"])],
      outputs: [value("y", "float32", ["n"])],
      nodes: [node("Add", ["x", "z"], ["y"])],
      metadata: { [SCAN_KEY]: JSON.stringify({ scanned: ["x", "z"] }) },
    }),
  );
}
