import { readFile } from "node:fs/promises";
import { expect } from "chai";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { createExecutor, type Executor } from "#execution/executor.ts";
import { inspectModel, type Model, tensorOrder } from "#execution/inspectModel.ts";
import { lineImage } from "#execution/line/lineImage.ts";
import { type Line, readLine } from "#execution/line/readLine.ts";
import { tensorBytes, tensorsDigest } from "#protocol/tensors.ts";
import { buildRecogniser } from "#scripts/demonstration/recogniser.ts";
import { noise, paint } from "./line/picture.ts";
import { rejection } from "./rejection.ts";

const example = (file: string) => readFile(new URL(`../../examples/line/${file}`, import.meta.url));

async function expectedText(): Promise<string> {
  return (JSON.parse((await example("expected.json")).toString()) as { text: string }).text;
}

/** The bits of the example's result; whoever runs the profile gets these. */
const EXAMPLE_RESULT = "0x6bf777a4adb5f09c969b20a96b207367c1180be6fd178823fb2422d2bc16d943";

describe("recogniser", () => {
  let model: Model;
  let executor: Executor;

  before(async () => {
    model = inspectModel(await buildRecogniser());
    executor = await createExecutor();
  });

  after(() => executor.close());

  async function read(picture: Uint8Array): Promise<Line> {
    return readLine(await executor.run(model, { x: lineImage(picture) }));
  }

  it("is built the same each time", async () => {
    expect(inspectModel(await buildRecogniser()).digest).to.equal(model.digest);
    expect(model.digest).to.equal("0x3be5feb02685c144ac9131851d03aef9453c7e5e721b8c919460da59c511ace1");
    expect(tensorOrder(model.inputs)).to.deep.equal(["x"]);
    expect(tensorOrder(model.outputs)).to.deep.equal(["characters", "confidences"]);
  });

  it("reads what the maker of the example wrote", async () => {
    const line = await read(await example("line.png"));
    expect(line.text).to.equal(await expectedText());
    expect(line.confidence).to.be.within(0.9, 1);
  });

  it("reads it from a JPEG, and light on dark, too", async () => {
    const text = await expectedText();
    const png = PNG.sync.read(await example("line.png"));
    expect((await read(jpeg.encode(png, 80).data)).text).to.equal(text);
    const inverted = paint(png.width, png.height, (x, y) => {
      const value = 255 - (png.data[(y * png.width + x) * 4] ?? 0);
      return [value, value, value / 2, 255];
    });
    expect((await read(inverted)).text).to.equal(text);
  });

  it("gives the same bits in fresh workers, after other runs, and everywhere", async () => {
    const x = lineImage(await example("line.png"));
    const other = await createExecutor();
    try {
      const results = [
        await other.run(model, { x }),
        await executor.run(model, { x }),
        await executor.run(model, { x }),
      ];
      for (const outputs of results) {
        expect(tensorsDigest(tensorOrder(model.outputs), outputs)).to.equal(EXAMPLE_RESULT);
        expect(tensorBytes(outputs)).to.be.below(1000n);
      }
    } finally {
      await other.close();
    }
  });

  it("says that noise, a blank sheet and a gradient are no line of text", async () => {
    const byte = noise(7);
    const pictures = [
      paint(600, 60, () => [byte(), byte(), byte(), 255]),
      paint(600, 60, () => [255, 255, 255, 255]),
      paint(600, 200, (x, y) => [(x * 255) / 600, (y * 255) / 200, 128 + 100 * Math.sin((x * y) / 9000), 255]),
    ];
    for (const picture of pictures) expect(await rejection(read(picture))).to.include({ code: "no_text_line" });
  });
}).timeout(30_000);
