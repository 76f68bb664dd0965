import { expect } from "chai";
import { hexlify } from "ethers";
import { createExecutor, type Executor, type ExecutorOptions } from "#execution/executor.ts";
import { inspectModel, type Model } from "#execution/inspectModel.ts";
import { type Dtype, dtypes, type Tensor } from "#protocol/tensors.ts";
import { body, buildGraph, constant, graphOf, node, value } from "./buildGraph.ts";
import { rejection } from "./rejection.ts";

const MAX_INT64 = Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127);

function float(...values: number[]): Tensor {
  return { dtype: "float32", shape: [values.length], data: new Uint8Array(Float32Array.from(values).buffer) };
}

/** y = operator(x) over one line of numbers. */
function unary(operator: string): Model {
  const inputs = [value("x", "float32", ["n"])];
  return inspectModel(
    buildGraph({ inputs, outputs: [value("y", "float32", ["n"])], nodes: [node(operator, ["x"], ["y"])] }),
  );
}

/** A loop that adds x for 2^63 - 1 rounds. */
function endless(): Model {
  const step = graphOf({
    inputs: [value("round", "int64", []), value("before", "bool", []), value("sum", "float32", [1])],
    outputs: [value("after", "bool", []), value("more", "float32", [1])],
    nodes: [node("Identity", ["before"], ["after"]), node("Add", ["sum", "x"], ["more"])],
  });
  return inspectModel(
    buildGraph({
      inputs: [value("x", "float32", [1])],
      outputs: [value("y", "float32", [1])],
      nodes: [node("Loop", ["rounds", "go", "x"], ["y"], [body(step)])],
      constants: [constant("rounds", "int64", MAX_INT64), constant("go", "bool", Uint8Array.of(1))],
    }),
  );
}

describe("executor", () => {
  let started: Executor | undefined;

  async function start(options?: ExecutorOptions): Promise<Executor> {
    started = await createExecutor(options);
    return started;
  }

  afterEach(async () => {
    await started?.close();
    started = undefined;
  });

  it("runs a model on inputs of any size that it takes", async () => {
    const executor = await start();
    expect(await executor.run(unary("Neg"), { x: float(1, -2, 0.5) })).to.deep.equal({ y: float(-1, 2, -0.5) });
    expect(await executor.run(unary("Neg"), { x: float(3) })).to.deep.equal({ y: float(-3) });
    expect(await executor.run(unary("Neg"), { x: float() })).to.deep.equal({ y: float() });
  });

  it("carries every element type, unaligned data too", async () => {
    const executor = await start();
    const names = Object.keys(dtypes) as Dtype[];
    const model = inspectModel(
      buildGraph({
        inputs: names.map((name) => value(name, name, [2])),
        outputs: names.map((name) => value(`${name} again`, name, [2])),
        nodes: names.map((name) => node("Identity", [name], [`${name} again`])),
      }),
    );
    const message = Uint8Array.from({ length: 17 }, (_, index) => index % 2);
    const inputs = names.map((name): [string, Tensor] => {
      return [name, { dtype: name, shape: [2], data: message.subarray(1, 1 + 2 * dtypes[name].bytes) }];
    });
    const outputs = await executor.run(model, Object.fromEntries(inputs));
    for (const [name, tensor] of inputs) expect(outputs[`${name} again`], name).to.deep.equal(tensor);
  });

  it("makes NaNs canonical", async () => {
    const executor = await start();
    const { y } = await executor.run(unary("Sqrt"), { x: float(-1, 4) });
    expect(y && hexlify(y.data)).to.equal("0x0000c07f00000040");
  });

  it("keeps few sessions and still runs every model", async () => {
    const executor = await start({ maxSessions: 1 });
    const [neg, abs] = [unary("Neg"), unary("Abs")];
    for (const [model, expected] of [
      [neg, -2],
      [abs, 2],
      [neg, -2],
      [neg, -2],
      [abs, 2],
    ] as const) {
      expect(await executor.run(model, { x: float(2) })).to.deep.equal({ y: float(expected) });
    }
  });

  it("refuses inputs that do not fit before anything runs", async () => {
    const executor = await start();
    expect(await rejection(executor.run(unary("Neg"), { z: float(1) }))).to.include({ code: "invalid_tensor" });
  });

  it("says when a model cannot be run, and runs the next one", async () => {
    const executor = await start();
    const failure = await rejection(executor.run(unary("NoSuchOperator"), { x: float(1) }));
    expect(failure).to.include({ code: "execution_failed", status: 422 });
    expect(failure.message).to.match(/^The model could not be run on these inputs: .*NoSuchOperator/);
    expect(await executor.run(unary("Neg"), { x: float(1) })).to.deep.equal({ y: float(-1) });
  });

  it("ends a run that takes too long, while the process goes on, and runs the next one", async () => {
    const executor = await start({ timeoutSeconds: 3 });
    let ticks = 0;
    const clock = setInterval(() => (ticks += 1), 100);
    const failure = await rejection(executor.run(endless(), { x: float(1) })).finally(() => clearInterval(clock));
    expect(failure).to.include({ code: "timeout", status: 504 });
    expect(ticks).to.be.above(10);
    expect(await executor.run(unary("Neg"), { x: float(1) })).to.deep.equal({ y: float(-1) });
  }).timeout(20_000);

  it("lets few runs wait and turns the others away", async () => {
    const executor = await start({ maxRuns: 2 });
    const runs = [1, 2].map((x) => executor.run(unary("Neg"), { x: float(x) }));
    expect(await rejection(executor.run(unary("Neg"), { x: float(3) }))).to.include({
      code: "rate_limited",
      status: 429,
    });
    expect(await Promise.all(runs)).to.deep.equal([{ y: float(-1) }, { y: float(-2) }]);
    expect(await executor.run(unary("Neg"), { x: float(4) })).to.deep.equal({ y: float(-4) });
  });

  it("fails what runs and what waits when it is closed", async () => {
    const executor = await start();
    const outcomes = [1, 2].map((x) => rejection(executor.run(endless(), { x: float(x) })));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await executor.close();
    for (const outcome of await Promise.all(outcomes)) expect(outcome).to.include({ code: "execution_failed" });
  });
}).timeout(60_000);
