import { create, toBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import { sha256 } from "ethers";
import { ModelProtoSchema, ValueInfoProtoSchema } from "onnx-buf";
import { inspectModel, tensorOrder } from "#execution/inspectModel.ts";
import { body, buildGraph, constant, graphOf, node, value } from "./buildGraph.ts";

const output = value("y", "float32", ["n"]);

describe("inspectModel", () => {
  it("gives inputs and outputs in the order of the graph, with fixed, symbolic and open dimensions", () => {
    const bytes = buildGraph({
      inputs: [value("z", "float32", ["n", 3]), value("a", "int64", [undefined]), value("s", "bool", [])],
      outputs: [value("y", "float64", [1]), value("b", "uint8", ["n"])],
      nodes: [],
    });
    const model = inspectModel(bytes);
    expect(model.inputs).to.deep.equal([
      { name: "z", dtype: "float32", shape: ["n", 3] },
      { name: "a", dtype: "int64", shape: [null] },
      { name: "s", dtype: "bool", shape: [] },
    ]);
    expect(tensorOrder(model.outputs)).to.deep.equal(["y", "b"]);
    expect(model.digest).to.equal(sha256(bytes));
    expect(model.bytes).to.equal(bytes);
  });

  it("leaves out an input that has a default, and takes a negative dimension for an open one", () => {
    const bytes = buildGraph({
      inputs: [value("x", "float32", [-1]), value("weight", "float32", [1])],
      outputs: [output],
      nodes: [],
      constants: [constant("weight", "float32", new Uint8Array(4), [1])],
    });
    expect(inspectModel(bytes).inputs).to.deep.equal([{ name: "x", dtype: "float32", shape: [null] }]);
  });

  it("leaves the rank open where the graph does", () => {
    const type = { value: { case: "tensorType" as const, value: { elemType: 1 } } };
    const anyRank = create(ValueInfoProtoSchema, { name: "x", type });
    expect(inspectModel(buildGraph({ inputs: [anyRank], outputs: [output], nodes: [] })).inputs[0]?.shape).to.equal(
      null,
    );
  });

  const notOnnx: [string, Uint8Array][] = [
    ["no bytes at all", new Uint8Array()],
    ["a text", Buffer.from("a model, honestly")],
    ["a model without a graph", toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n }))],
    ["a graph without outputs", buildGraph({ outputs: [], nodes: [] })],
    ["a model that breaks off", buildGraph({ outputs: [output], nodes: [] }).slice(0, -3)],
  ];
  for (const [what, bytes] of notOnnx) {
    it(`refuses ${what}`, () => {
      expect(() => inspectModel(bytes))
        .to.throw(/not an ONNX model/)
        .with.property("code", "invalid_model");
    });
  }

  it("refuses an input that is no tensor, or a tensor of texts", () => {
    const TEXT = 8;
    const texts = create(ValueInfoProtoSchema, {
      name: "words",
      type: { value: { case: "tensorType", value: { elemType: TEXT, shape: { dim: [] } } } },
    });
    const sequence = create(ValueInfoProtoSchema, {
      name: "words",
      type: { value: { case: "sequenceType", value: {} } },
    });
    for (const input of [texts, sequence]) {
      expect(() => inspectModel(buildGraph({ inputs: [input], outputs: [output], nodes: [] })))
        .to.throw(/"words" is of a type/)
        .with.property("code", "invalid_model");
    }
  });

  it("refuses an operator that draws random numbers, inside a loop too", () => {
    const random = node("RandomNormalLike", ["x"], ["y"]);
    const loop = node("Loop", [], [], [body(graphOf({ outputs: [output], nodes: [random] }))]);
    for (const nodes of [[random], [loop]]) {
      expect(() => inspectModel(buildGraph({ outputs: [output], nodes })))
        .to.throw(/RandomNormalLike/)
        .with.property("code", "invalid_model");
    }
  });
});
