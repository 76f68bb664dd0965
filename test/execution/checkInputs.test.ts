import { expect } from "chai";
import { checkInputs } from "#execution/checkInputs.ts";
import type { TensorSpec } from "#protocol/model.ts";
import type { NamedTensors, Tensor } from "#protocol/tensors.ts";

const specs: TensorSpec[] = [
  { name: "picture", dtype: "float32", shape: ["n", 3, null] },
  { name: "length", dtype: "int64", shape: ["n"] },
  { name: "free", dtype: "uint8", shape: null },
];

const picture: Tensor = { dtype: "float32", shape: [2, 3, 5], data: new Uint8Array(120) };
const length: Tensor = { dtype: "int64", shape: [2], data: new Uint8Array(16) };
const free: Tensor = { dtype: "uint8", shape: [1, 1, 1, 1], data: new Uint8Array(1) };
const fitting: NamedTensors = { picture, length, free };

describe("checkInputs", () => {
  it("takes what fits, whatever open dimensions and ranks are", () => {
    checkInputs({ inputs: specs }, fitting);
    checkInputs({ inputs: specs }, { ...fitting, free: { dtype: "uint8", shape: [], data: new Uint8Array(1) } });
    checkInputs({ inputs: [] }, {});
  });

  const unfit: [string, NamedTensors, RegExp][] = [
    ["a missing input", { picture, free }, /"length" is missing; the model takes: "picture", "length", "free"/],
    ["a superfluous input", { ...fitting, more: free }, /"more" is not an input .* "picture", "length", "free"/],
    [
      "another type",
      { ...fitting, length: { ...length, dtype: "uint64" } },
      /"length" is uint64; the model takes int64/,
    ],
    ["another rank", { ...fitting, length: { ...length, shape: [2, 1] } }, /"length" has shape \[2, 1\]/],
    [
      "another fixed dimension",
      { ...fitting, picture: { ...picture, shape: [2, 5, 3] } },
      /"picture" has shape \[2, 5, 3\]; the model takes \[n = 2, 3, any\]/,
    ],
    [
      "a symbolic dimension that is not the same twice",
      { ...fitting, length: { ...length, shape: [3], data: new Uint8Array(24) } },
      /"length" has shape \[3\]; the model takes \[n = 2\]/,
    ],
    [
      "data of another length",
      { ...fitting, free: { ...free, data: new Uint8Array(2) } },
      /"free" has 2 bytes of data/,
    ],
  ];
  for (const [what, inputs, message] of unfit) {
    it(`refuses ${what}`, () => {
      expect(() => checkInputs({ inputs: specs }, inputs))
        .to.throw(message)
        .with.property("code", "invalid_tensor");
    });
  }
});
