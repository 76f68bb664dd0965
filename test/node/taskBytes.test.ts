import { expect } from "chai";
import { getAddress, id } from "ethers";
import { encodeRequest } from "#node/enclave/encodeRequest.ts";
import { TaskBytes } from "#node/enclave/taskBytes.ts";
import { OpgError } from "#protocol/errors.ts";
import { releasedRequestJson } from "#protocol/messages.ts";
import { type TensorJson, tensorsFromJson } from "#protocol/tensors.ts";

const someone = getAddress(`0x${"1".padStart(40, "0")}`);
const requestOf = (x: TensorJson) =>
  releasedRequestJson.parse({
    task: {
      ...{ payer: someone, node: someone, model: id("model"), request: id("request"), policy: 0 },
      ...{ maxAmount: "1", deadline: 1_900_000_000, nonce: "1" },
    },
    release: {
      ...{ taskId: id("task"), paymentDigest: id("payment"), releasedAt: 1_900_000_000 },
      ...{ facilitator: someone, signature: "0x" },
    },
    salt: id("salt"),
    inputs: { x },
  });
const codeOf = (call: () => unknown): string | undefined => {
  try {
    call();
  } catch (error) {
    return error instanceof OpgError ? error.code : "none of ours";
  }
  return undefined;
};

describe("what an enclave keeps of tasks", () => {
  it("are requests no longer than they came, however their numbers are written, and the same tensors", () => {
    const count = 10_000;
    const sent = `[${Array<string>(count).fill("1e20").join(",")}]`;
    const request = requestOf({ dtype: "float32", shape: [count], data: JSON.parse(sent) as number[] });
    const { bytes, request: compact } = encodeRequest(request);
    expect(JSON.stringify(request.inputs).length).to.be.greaterThan(4 * sent.length);
    expect(bytes.length).to.be.lessThan(1.2 * sent.length + 1_000);
    const read = releasedRequestJson.parse(JSON.parse(Buffer.from(bytes).toString()));
    expect(read).to.deep.equal(compact);
    expect(tensorsFromJson(read.inputs)).to.deep.equal(tensorsFromJson(request.inputs));
  });

  it("are no requests that verifiers would not take", () => {
    const request = requestOf({ dtype: "int64", shape: [300], data: Array<number>(300).fill(0) });
    const { length } = encodeRequest(request).bytes;
    expect(encodeRequest(request, length).bytes).to.have.length(length);
    for (const most of [length - 1, 3_000]) {
      expect(codeOf(() => encodeRequest(request, most))).to.equal("body_too_large");
    }
  });

  it("are requests of certified tasks as long as there is room, and of those that run in any case", () => {
    const bytes = new TaskBytes(100);
    bytes.begin("certified", new Uint8Array(40));
    bytes.certify("certified", 10);
    bytes.begin("running", new Uint8Array(40));
    expect(bytes.requestOf("certified")).to.have.length(40);
    bytes.begin("next", new Uint8Array(40));
    expect(bytes.requestOf("certified")).to.equal(undefined);
    expect(bytes.requestOf("running")).to.have.length(40);
    expect(codeOf(() => bytes.begin("one more", new Uint8Array(11)))).to.equal("rate_limited");
    expect(bytes.requestOf("one more")).to.equal(undefined);
    bytes.begin("a small one", new Uint8Array(10));
    bytes.forget("certified");
    bytes.dropRequest("running");
    bytes.begin("the room is free", new Uint8Array(50));
  });
});
