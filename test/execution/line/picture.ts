import { PNG } from "pngjs";

/** A PNG file whose pixels are painted one by one: red, green, blue, opacity. */
export function paint(
  width: number,
  height: number,
  pixel: (x: number, y: number) => readonly [number, number, number, number],
): Uint8Array {
  const png = new PNG({ width, height });
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) png.data.set(pixel(x, y), (y * width + x) * 4);
  }
  return PNG.sync.write(png);
}

/** A seeded source of bytes (Lehmer's generator), so that noise is the same noise each time. */
export function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state & 0xff;
  };
}
