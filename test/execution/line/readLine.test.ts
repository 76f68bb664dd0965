import { expect } from "chai";
import { dictionary } from "#execution/line/dictionary.ts";
import { readLine } from "#execution/line/readLine.ts";
import type { NamedTensors } from "#protocol/tensors.ts";
import { rejection } from "#test/execution/rejection.ts";

const BLANK = 0;
const SPACE = 6624;

/** What the recogniser would answer: a place of the dictionary and a probability at each step. */
function outputs(steps: [number, number][]): NamedTensors {
  const shape = [1, steps.length];
  const bytes = (values: Int32Array | Float32Array) => new Uint8Array(values.buffer);
  return {
    characters: { dtype: "int32", shape, data: bytes(Int32Array.from(steps, ([place]) => place)) },
    confidences: { dtype: "float32", shape, data: bytes(Float32Array.from(steps, ([, probability]) => probability)) },
  };
}

describe("readLine", () => {
  let a: number;
  let b: number;

  before(async () => {
    const entries = await dictionary();
    expect(entries).to.have.length(SPACE + 1);
    a = entries.indexOf("a");
    b = entries.indexOf("b");
  });

  it("takes repeated characters for one, unless a blank parts them, and skips blanks", async () => {
    const line = await readLine(
      outputs([
        [BLANK, 1],
        [a, 0.5],
        [a, 0.1],
        [BLANK, 1],
        [a, 1],
        [SPACE, 1],
        [b, 0.5],
      ]),
    );
    expect(line).to.deep.equal({ text: "aa b", confidence: 0.75 });
  });

  it("drops spaces at both ends", async () => {
    expect(
      await readLine(
        outputs([
          [SPACE, 1],
          [b, 1],
          [SPACE, 1],
        ]),
      ),
    ).to.deep.equal({ text: "b", confidence: 1 });
  });

  it("says that there is no line where nothing was read, or too uncertainly", async () => {
    for (const steps of [
      [],
      [[BLANK, 1]],
      [[SPACE, 1]],
      [
        [a, 0.49],
        [b, 0.5],
      ],
    ] as [number, number][][]) {
      const error = await rejection(readLine(outputs(steps)));
      expect(error).to.include({ code: "no_text_line", status: 400 });
      expect(error.message).to.match(/does not look like one line of text; crop it/);
    }
  });

  it("refuses the outputs of another model", async () => {
    const other = {
      ...outputs([[a, 1]]),
      confidences: { dtype: "uint8", shape: [1], data: new Uint8Array(1) },
    } as const;
    expect(await rejection(readLine(other))).to.include({ code: "invalid_tensor" });
    expect(await rejection(readLine({}))).to.include({ code: "invalid_tensor" });
  });
});
