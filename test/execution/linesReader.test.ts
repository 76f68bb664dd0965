import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { PNG } from "pngjs";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { inspectModel } from "#execution/inspectModel.ts";
import { lineImage } from "#execution/line/lineImage.ts";
import { readLine } from "#execution/line/readLine.ts";
import { runSteps } from "#execution/runSteps.ts";
import { asStep, joinSteps, sliceStep } from "#protocol/steps.ts";
import { buildLinesReader } from "#scripts/demonstration/linesReader.ts";
import { buildRecogniser } from "#scripts/demonstration/recogniser.ts";
import { paint } from "./line/picture.ts";

describe("the recogniser, line by line", function () {
  this.timeout(60_000);
  let executor: Executor;

  before(async () => {
    executor = await createExecutor();
  });
  after(() => executor.close());

  it("gives for each line, in its turn, the very bits that reading it alone gives", async () => {
    const png = PNG.sync.read(await readFile(new URL("../../examples/line/line.png", import.meta.url)));
    const blank = paint(png.width, png.height, () => [255, 255, 255, 255]);
    const inverted = paint(png.width, png.height, (x, y) => {
      const grey = 255 - (png.data[(y * png.width + x) * 4] ?? 0);
      return [grey, grey, grey, 255];
    });
    const pictures = [PNG.sync.write(png), blank, inverted].map((picture) => ({ x: lineImage(picture) }));
    const recogniser = inspectModel(await buildRecogniser());
    const reader = inspectModel(await buildLinesReader());
    const lines = joinSteps(
      reader.inputs,
      pictures.map((picture) => asStep(picture)),
    );
    const texts: string[] = [];
    let line = 0;
    for await (const step of runSteps(executor, reader, lines)) {
      const alone = await executor.run(recogniser, pictures[line++]!);
      expect(step).to.deep.equal(asStep(alone));
      const read = Object.entries(step).map(([name, tensor]) => [name, sliceStep(tensor, 0)] as const);
      texts.push(
        await readLine(Object.fromEntries(read)).then(
          ({ text }) => text,
          () => "",
        ),
      );
    }
    const { text } = JSON.parse(
      (await readFile(new URL("../../examples/line/expected.json", import.meta.url))).toString(),
    ) as { text: string };
    expect(texts).to.deep.equal([text, "", text]);
  });
});
