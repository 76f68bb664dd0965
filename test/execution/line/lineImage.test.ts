import { expect } from "chai";
import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { lineImage } from "#execution/line/lineImage.ts";
import type { Tensor } from "#protocol/tensors.ts";
import { paint } from "./picture.ts";

/** Blue, green and red of a place, as the tensor holds them. */
function at({ data, shape }: Tensor, x: number, y: number): number[] {
  const [, planes = 0, height = 0, width = 0] = shape;
  const values = new Float32Array(data.buffer);
  return Array.from({ length: planes }, (_, plane) => values[(plane * height + y) * width + x] ?? NaN);
}

const gray = Math.fround((51 / 255 - 0.5) / 0.5);

describe("lineImage", () => {
  it("gives 48 rows, blue first, -1 to 1, and fills a short line up to 320 columns with 0", () => {
    const tensor = lineImage(paint(96, 48, () => [255, 51, 0, 255]));
    expect(tensor).to.include({ dtype: "float32" });
    expect(tensor.shape).to.deep.equal([1, 3, 48, 320]);
    expect(tensor.data).to.have.length(3 * 48 * 320 * 4);
    expect(at(tensor, 0, 0)).to.deep.equal([-1, gray, 1]);
    expect(at(tensor, 95, 47)).to.deep.equal([-1, gray, 1]);
    expect(at(tensor, 96, 0)).to.deep.equal([0, 0, 0]);
  });

  it("keeps the aspect of a longer line, and squeezes a very long one to 1,280 columns", () => {
    const widthOf = (width: number, height: number) => lineImage(paint(width, height, () => [0, 0, 0, 255])).shape[3];
    expect(widthOf(800, 96)).to.equal(400);
    expect(widthOf(400, 24)).to.equal(800);
    expect(widthOf(1200, 30)).to.equal(1280);
  });

  it("puts transparent pictures on white and takes gray ones", () => {
    expect(at(lineImage(paint(96, 48, () => [0, 0, 0, 0])), 50, 20)).to.deep.equal([1, 1, 1]);
    expect(at(lineImage(paint(96, 48, () => [0, 0, 0, 153])), 50, 20)).to.deep.equal(
      [-0.2, -0.2, -0.2].map(Math.fround),
    );
    const opaque = PNG.sync.read(Buffer.from(paint(96, 48, () => [51, 51, 51, 255])));
    const grayscale = PNG.sync.write(opaque, { colorType: 0 });
    expect(at(lineImage(grayscale), 50, 20)).to.deep.equal([gray, gray, gray]);
  });

  it("keeps a stroke of one pixel when it shrinks a picture five times", () => {
    const tensor = lineImage(paint(1200, 240, (_, y) => (y === 101 ? [0, 0, 0, 255] : [255, 255, 255, 255])));
    const column = Array.from({ length: 48 }, (_, y) => at(tensor, 60, y)[0] ?? NaN);
    expect(Math.min(...column)).to.be.below(0.75);
    expect(column.indexOf(Math.min(...column))).to.equal(20);
  });

  it("reads JPEG", () => {
    const { data } = jpeg.encode({ width: 96, height: 48, data: new Uint8Array(96 * 48 * 4).fill(255) }, 90);
    expect(at(lineImage(data), 50, 20)).to.deep.equal([1, 1, 1]);
  });

  const png = Buffer.from(paint(96, 48, () => [0, 0, 0, 255]));
  const unreadable: [string, Uint8Array, RegExp][] = [
    ["a text", Buffer.from("not a picture"), /neither PNG nor JPEG; give/],
    ["no bytes", new Uint8Array(), /neither PNG nor JPEG/],
    ["a PNG that breaks off", png.subarray(0, 60), /broken/],
    ["a PNG signature alone", png.subarray(0, 8), /broken/],
    ["a JPEG that breaks off", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16), /broken/],
    ["a PNG that claims 10,000 x 10,000 pixels", claimSize(png, 10_000), /100 million pixels; give one of at most 20/],
    ["a file of more than 10 MiB", new Uint8Array(10 * 1024 * 1024 + 1), /10485761 bytes; give one of at most/],
  ];
  for (const [what, file, message] of unreadable) {
    it(`refuses ${what}`, () => {
      expect(() => lineImage(file))
        .to.throw(message)
        .with.property("code", "not_an_image");
    });
  }

  it("refuses the sides of a photo and of a text that is far too long, and says what to do", () => {
    const black = (width: number, height: number) => paint(width, height, () => [0, 0, 0, 255]);
    expect(() => lineImage(black(320, 180)))
      .to.throw(/320 x 180 .* crop it/)
      .with.property("code", "no_text_line");
    expect(() => lineImage(black(20, 100)))
      .to.throw(/crop it/)
      .with.property("code", "no_text_line");
    expect(() => lineImage(black(410, 10)))
      .to.throw(/shorter pieces/)
      .with.property("code", "no_text_line");
  });
});

function claimSize(png: Buffer, side: number): Buffer {
  const claim = Buffer.from(png);
  claim.writeUInt32BE(side, 16);
  claim.writeUInt32BE(side, 20);
  return claim;
}
