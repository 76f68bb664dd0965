import { OpgError } from "#protocol/errors.ts";
import type { Tensor } from "#protocol/tensors.ts";
import { decodePicture } from "./decodePicture.ts";
import { resizePicture } from "./resizePicture.ts";

/** What PP-OCR's recogniser was trained on: lines 48 pixels high, the short ones filled up to 320 pixels. */
const HEIGHT = 48;
const MIN_WIDTH = 320;
const MAX_WIDTH = 1280;

/** Photos are 16:9 at most; a line of text is longer. Above the other limit the text would be squeezed unreadably. */
const MIN_ASPECT = 2;
const MAX_ASPECT = 40;

/** Order of the colours in the tensor (OpenCV's: blue, green, red) as places in a pixel. */
const CHANNELS = [2, 1, 0] as const;

/**
 * Makes the recogniser's input out of a picture of one line of text.
 *
 * @param file - bytes of a PNG or JPEG file
 * @returns float32 [1, 3, 48, width], width 320 to 1,280, values -1 to 1; the filling is 0
 * @throws OpgError `not_an_image`; `no_text_line` when its sides are those of a photo or of far too long a line
 */
export function lineImage(file: Uint8Array): Tensor {
  const picture = decodePicture(file);
  const aspect = picture.width / picture.height;
  if (aspect < MIN_ASPECT || aspect > MAX_ASPECT) {
    const remedy =
      aspect < MIN_ASPECT
        ? `crop it to the line, or leave more empty space on both sides, so that it is at least ${MIN_ASPECT} times as wide as high`
        : "cut the line into shorter pieces";
    throw new OpgError(
      "no_text_line",
      `The picture has ${picture.width} x ${picture.height} pixels and does not look like one line of text; ${remedy}.`,
      { width: picture.width, height: picture.height },
    );
  }
  const textWidth = Math.min(Math.ceil(HEIGHT * aspect), MAX_WIDTH);
  const { pixels } = resizePicture(picture, textWidth, HEIGHT);
  const width = Math.max(textWidth, MIN_WIDTH);
  const values = new DataView(new ArrayBuffer(CHANNELS.length * HEIGHT * width * 4));
  CHANNELS.forEach((channel, plane) => {
    for (let row = 0; row < HEIGHT; row++) {
      for (let column = 0; column < textWidth; column++) {
        const value = pixels[(row * textWidth + column) * 3 + channel] ?? 0;
        values.setFloat32(((plane * HEIGHT + row) * width + column) * 4, (value / 255 - 0.5) / 0.5, true);
      }
    }
  });
  return { dtype: "float32", shape: [1, CHANNELS.length, HEIGHT, width], data: new Uint8Array(values.buffer) };
}
