import jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { OpgError } from "#protocol/errors.ts";

/** A decoded picture: `pixels` holds red, green, blue of each pixel, row by row, one byte each, on white. */
export interface Picture {
  width: number;
  height: number;
  pixels: Uint8Array;
}

const MAX_FILE_BYTES = 10 * 1024 * 1024;
const MAX_MEGAPIXELS = 20;
const MAX_MEGABYTES_OF_MEMORY = 512;
const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const JPEG_SIGNATURE = Buffer.from([0xff, 0xd8, 0xff]);
const PNG_WIDTH_OFFSET = 16;
const PNG_HEIGHT_OFFSET = 20;

/**
 * Decodes a PNG or JPEG file. What is transparent is shown on white.
 *
 * @throws OpgError `not_an_image` when the file is neither, is broken or is too large to be decoded
 */
export function decodePicture(file: Uint8Array): Picture {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.length > MAX_FILE_BYTES) {
    throw notAnImage(`has ${bytes.length} bytes; give one of at most ${MAX_FILE_BYTES}.`);
  }
  const decode = startsWith(bytes, PNG_SIGNATURE)
    ? decodePng
    : startsWith(bytes, JPEG_SIGNATURE)
      ? decodeJpeg
      : undefined;
  if (!decode) throw notAnImage("is neither PNG nor JPEG; give a picture in one of these formats.");
  try {
    const { width, height, data } = decode(bytes);
    return { width, height, pixels: ontoWhite(data) };
  } catch (cause) {
    if (cause instanceof OpgError) throw cause;
    throw notAnImage(`is broken, or has more than ${MAX_MEGAPIXELS} million pixels; save it again as PNG or JPEG.`, {
      cause,
    });
  }
}

interface Decoded {
  width: number;
  height: number;
  /** Red, green, blue, opacity. */
  data: Uint8Array;
}

function decodePng(bytes: Buffer): Decoded {
  const megapixels = (bytes.readUInt32BE(PNG_WIDTH_OFFSET) * bytes.readUInt32BE(PNG_HEIGHT_OFFSET)) / 1e6;
  if (megapixels > MAX_MEGAPIXELS) {
    throw notAnImage(`has ${Math.ceil(megapixels)} million pixels; give one of at most ${MAX_MEGAPIXELS} million.`);
  }
  return PNG.sync.read(bytes);
}

function decodeJpeg(bytes: Buffer): Decoded {
  return jpeg.decode(bytes, {
    useTArray: true,
    maxResolutionInMP: MAX_MEGAPIXELS,
    maxMemoryUsageInMB: MAX_MEGABYTES_OF_MEMORY,
  });
}

function ontoWhite(rgba: Uint8Array): Uint8Array {
  const pixels = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const opacity = (rgba[from + 3] ?? 255) / 255;
    for (let channel = 0; channel < 3; channel++) {
      pixels[to + channel] = Math.round((rgba[from + channel] ?? 0) * opacity + 255 * (1 - opacity));
    }
  }
  return pixels;
}

function startsWith(bytes: Buffer, signature: Buffer): boolean {
  return bytes.subarray(0, signature.length).equals(signature);
}

function notAnImage(complaint: string, options?: ErrorOptions): OpgError {
  return new OpgError("not_an_image", `The file ${complaint}`, {}, options);
}
