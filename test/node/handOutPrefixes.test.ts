import { expect } from "chai";
import { id, ZeroAddress } from "ethers";
import type { SignedPrefix } from "#node/enclave/enclave.ts";
import { handOutPrefixes, type PrefixReader } from "#node/enclave/handOutPrefixes.ts";
import { OpgError } from "#protocol/errors.ts";
import type { NamedTensors } from "#protocol/tensors.ts";
import { rejection } from "#test/execution/rejection.ts";

const outputs = [{ name: "y", dtype: "uint8" as const, shape: ["opg.steps"] }];
const bytes = (...values: number[]): NamedTensors => ({
  y: { dtype: "uint8", shape: [values.length], data: Uint8Array.from(values) },
});

/** A prefix that gives the byte of its number. */
function prefixOf(steps: number): SignedPrefix {
  const result = { taskId: id("task"), response: id(`${steps}`), payout: ZeroAddress, amount: BigInt(steps) };
  const signed = { result: { ...result, completedAt: 1 }, nodeSignature: "0x" };
  return { steps, outputs: steps === 0 ? bytes() : bytes(steps), signed };
}

describe("handOutPrefixes", () => {
  let taken: number[];
  let computed: number;
  let leaving: AbortController;
  let stopping: AbortController;

  beforeEach(() => {
    taken = [];
    computed = 0;
    leaving = new AbortController();
    stopping = new AbortController();
  });

  async function* prefixes(failAt = Infinity): AsyncGenerator<SignedPrefix> {
    for (let steps = 0; steps <= 4; steps++) {
      if (steps === failAt) throw new OpgError("execution_failed", "It fails here.");
      computed = steps;
      yield await Promise.resolve(prefixOf(steps));
    }
  }

  function handOut(onTaken: (steps: number) => void = () => undefined, failAt?: number) {
    const reader: PrefixReader = {
      signal: leaving.signal,
      take: ({ steps }) => {
        taken.push(steps);
        onTaken(steps);
        return Promise.resolve();
      },
    };
    return handOutPrefixes(prefixes(failAt), reader, { outputs, stop: stopping.signal });
  }

  it("hands every prefix but the empty one out, and gives the last with all outputs", async () => {
    const completed = await handOut();
    expect(taken).to.deep.equal([1, 2, 3, 4]);
    expect(completed).to.deep.equal({ outputs: bytes(1, 2, 3, 4), signed: prefixOf(4).signed });
  });

  it("ends at the last prefix that was surely taken when the reader leaves", async () => {
    const completed = await handOut((steps) => steps === 3 && leaving.abort());
    expect(completed).to.deep.equal({ outputs: bytes(1, 2), signed: prefixOf(2).signed });
    expect(computed).to.equal(3);
  });

  it("ends at the prefix under way when it is stopped", async () => {
    const completed = await handOut((steps) => steps === 3 && stopping.abort());
    expect(completed).to.deep.equal({ outputs: bytes(1, 2, 3), signed: prefixOf(3).signed });
    expect(computed).to.equal(3);
  });

  it("ends with the empty prefix, and computes nothing, when nobody reads from the start", async () => {
    leaving.abort();
    expect(await handOut()).to.deep.equal({ outputs: bytes(), signed: prefixOf(0).signed });
    expect(computed).to.equal(0);
    expect(taken).to.deep.equal([]);
  });

  it("ends at what was taken when a later step fails, and fails with the first", async () => {
    expect(await handOut(undefined, 3)).to.deep.equal({ outputs: bytes(1, 2), signed: prefixOf(2).signed });
    expect(await rejection(handOut(undefined, 1))).to.include({ code: "execution_failed" });
  });
});
