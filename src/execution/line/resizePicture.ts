import type { Picture } from "./decodePicture.ts";

/** Bytes of a pixel: red, green, blue. */
const CHANNELS = 3;

/**
 * Resizes a picture with a bilinear (triangle) filter that widens when it shrinks, so that thin strokes do not
 * fall between samples. The same picture gives the same bytes everywhere: only + - * / and rounding are used.
 */
export function resizePicture(picture: Picture, width: number, height: number): Picture {
  const across = resample(picture.pixels, picture.height, picture.width, width);
  const turned = transpose(across, width, picture.height);
  const down = resample(turned, width, picture.height, height);
  return { width, height, pixels: transpose(down, height, width) };
}

/** Makes each of some lines of `from` pixels one of `to` pixels. */
function resample(pixels: Uint8Array, lines: number, from: number, to: number): Uint8Array {
  const result = new Uint8Array(lines * to * CHANNELS);
  for (let column = 0; column < to; column++) {
    const { first, weights } = triangle(column, from, to);
    for (let line = 0; line < lines; line++) {
      for (let channel = 0; channel < CHANNELS; channel++) {
        const start = (line * from + first) * CHANNELS + channel;
        const sum = weights.reduce(
          (total, weight, index) => total + weight * (pixels[start + index * CHANNELS] ?? 0),
          0,
        );
        result[(line * to + column) * CHANNELS + channel] = Math.round(sum);
      }
    }
  }
  return result;
}

/** The pixels that one resized pixel is made of, and how much each counts. The weights add up to 1. */
function triangle(column: number, from: number, to: number): { first: number; weights: number[] } {
  const scale = from / to;
  const radius = Math.max(1, scale);
  const centre = (column + 0.5) * scale;
  const first = Math.max(0, Math.ceil(centre - radius - 0.5));
  const last = Math.min(from - 1, Math.floor(centre + radius - 0.5));
  const raw = Array.from({ length: last - first + 1 }, (_, index) => {
    return Math.max(0, 1 - Math.abs(first + index + 0.5 - centre) / radius);
  });
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  return { first, weights: raw.map((weight) => weight / total) };
}

function transpose(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const turned = new Uint8Array(pixels.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = (row * width + column) * CHANNELS;
      turned.set(pixels.subarray(from, from + CHANNELS), (column * height + row) * CHANNELS);
    }
  }
  return turned;
}
