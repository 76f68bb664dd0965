import { readFileSync } from "node:fs";
import { expect } from "chai";
import { getBytes, hexlify } from "ethers";
import {
  type Dtype,
  dtypes,
  encodeTensors,
  type NamedTensors,
  namedTensorsJson,
  type Tensor,
  tensorBytes,
  tensorFromJson,
  type TensorJson,
  tensorsDigest,
  tensorsFromJson,
  tensorsToJson,
} from "#protocol/tensors.ts";

interface Vector {
  what: string;
  tensors: { name: string; dtype: Dtype; shape: number[]; data: string }[];
  encoding: string;
  digest: string;
}

const file = new URL("../vectors/tensors.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: Vector[] };

function read(vector: Vector): { order: string[]; tensors: NamedTensors } {
  const entries = vector.tensors.map(({ name, dtype, shape, data }): [string, Tensor] => {
    return [name, { dtype, shape, data: getBytes(data) }];
  });
  return { order: entries.map(([name]) => name), tensors: Object.fromEntries(entries) };
}

const scalar: Tensor = { dtype: "uint8", shape: [], data: Uint8Array.of(7) };

describe("tensors", () => {
  describe("canonical encoding", () => {
    for (const vector of vectors) {
      it(`is the same as computed elsewhere: ${vector.what}`, () => {
        const { order, tensors } = read(vector);
        expect(hexlify(encodeTensors(order, tensors))).to.equal(vector.encoding);
        expect(tensorsDigest(order, tensors)).to.equal(vector.digest);
      });
    }

    it("covers every element type", () => {
      const covered = vectors.flatMap(({ tensors }) => tensors.map(({ dtype }) => dtype));
      expect(covered).to.include.members(Object.keys(dtypes));
    });

    it("follows the order of the graph, whatever the order of the object", () => {
      const other = { ...scalar, dtype: "int8" } as const;
      expect(tensorsDigest(["a", "b"], { b: other, a: scalar })).to.equal(
        tensorsDigest(["a", "b"], { a: scalar, b: other }),
      );
      expect(tensorsDigest(["b", "a"], { a: scalar, b: other })).not.to.equal(
        tensorsDigest(["a", "b"], { a: scalar, b: other }),
      );
    });

    it("changes with the name, the type and the shape, not only with the data", () => {
      const digests = [
        tensorsDigest(["a"], { a: scalar }),
        tensorsDigest(["b"], { b: scalar }),
        tensorsDigest(["a"], { a: { ...scalar, dtype: "int8" } }),
        tensorsDigest(["a"], { a: { ...scalar, shape: [1] } }),
      ];
      expect(new Set(digests).size).to.equal(digests.length);
    });

    it("refuses a missing and a superfluous tensor by name", () => {
      expect(() => encodeTensors(["a", "b"], { a: scalar }))
        .to.throw(/"b" is missing/)
        .with.property("code", "invalid_tensor");
      expect(() => encodeTensors([], { a: scalar }))
        .to.throw(/no tensor "a"/)
        .with.property("code", "invalid_tensor");
      expect(() => encodeTensors(["toString"], {})).to.throw(/"toString" is missing/);
    });
  });

  describe("wire form", () => {
    it("comes back unchanged, for every vector", () => {
      for (const vector of vectors) {
        const { tensors } = read(vector);
        const wire: unknown = JSON.parse(JSON.stringify(tensorsToJson(tensors)));
        expect(tensorsFromJson(namedTensorsJson.parse(wire))).to.deep.equal(tensors);
      }
    });

    it("takes flat arrays, 64-bit integers as text", () => {
      const pack = (dtype: Dtype, data: (number | boolean | string)[]) =>
        hexlify(tensorFromJson("x", { dtype, shape: [data.length], data }).data);
      expect(pack("float32", [1.5, -0])).to.equal("0x0000c03f00000080");
      expect(pack("float64", [0.1])).to.equal("0x9a9999999999b93f");
      expect(pack("int64", ["-9223372036854775808", 1])).to.equal("0x00000000000000800100000000000000");
      expect(pack("uint64", ["18446744073709551615"])).to.equal("0xffffffffffffffff");
      expect(pack("int16", [-2, 258])).to.equal("0xfeff0201");
      expect(pack("bool", [true, false])).to.equal("0x0100");
    });

    const unfit: [string, TensorJson][] = [
      ["data of another length than the shape says", { dtype: "float32", shape: [2], data: [1] }],
      ["an integer that is too large", { dtype: "uint8", shape: [1], data: [256] }],
      ["a negative number where there is no sign", { dtype: "uint32", shape: [1], data: [-1] }],
      ["a fraction where an integer belongs", { dtype: "int32", shape: [1], data: [0.5] }],
      ["a number past the safe ones, which JSON has rounded already", { dtype: "int64", shape: [1], data: [2 ** 53] }],
      ["a text where a fraction belongs", { dtype: "float32", shape: [1], data: ["1"] }],
      ["a number where a truth value belongs", { dtype: "bool", shape: [1], data: [1] }],
      ["a byte above 1 as a truth value", { dtype: "bool", shape: [1], data: "Ag==" }],
    ];
    for (const [what, json] of unfit) {
      it(`refuses ${what}`, () => {
        expect(() => tensorFromJson("x", json))
          .to.throw(/"x"/)
          .with.property("code", "invalid_tensor");
      });
    }
  });

  it("are metered by the bytes of their data", () => {
    expect(tensorBytes({})).to.equal(0n);
    expect(tensorBytes({ a: scalar, b: { dtype: "float64", shape: [2], data: new Uint8Array(16) } })).to.equal(17n);
  });
});
