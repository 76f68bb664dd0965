import { OpgError } from "#protocol/errors.ts";
import type { NamedTensors } from "#protocol/tensors.ts";
import { dictionary } from "./dictionary.ts";

/** What the recogniser read: the text, and the mean probability of its characters, 0 to 1. */
export interface Line {
  text: string;
  confidence: number;
}

/** CTC's sign for "no character here", which also parts two equal characters. */
const BLANK = 0;

/** Below this PP-OCR's own programs drop a line too. */
const MIN_CONFIDENCE = 0.5;

/**
 * Reads the text off the recogniser's outputs `characters` (int32 [1, steps]) and `confidences` (float32, the same
 * shape) by greedy CTC decoding: repeated characters count once, blanks not at all.
 *
 * @throws OpgError `no_text_line` when nothing was read or the model is too unsure
 */
export async function readLine(outputs: NamedTensors): Promise<Line> {
  const { characters, confidences } = outputs;
  if (characters?.dtype !== "int32" || confidences?.dtype !== "float32") {
    throw new OpgError("invalid_tensor", "These are not the outputs of the line recogniser; read them as tensors.");
  }
  const entries = await dictionary();
  const places = view(characters.data);
  const probabilities = view(confidences.data);
  const kept: { character: string; probability: number }[] = [];
  for (let offset = 0, previous = BLANK; offset < places.byteLength; offset += 4) {
    const place = places.getInt32(offset, true);
    if (place !== BLANK && place !== previous) {
      kept.push({ character: entries[place] ?? "", probability: probabilities.getFloat32(offset, true) });
    }
    previous = place;
  }
  const text = kept
    .map(({ character }) => character)
    .join("")
    .trim();
  const confidence = kept.reduce((sum, { probability }) => sum + probability, 0) / Math.max(kept.length, 1);
  if (text === "" || confidence < MIN_CONFIDENCE) {
    const message =
      "The picture does not look like one line of text; crop it to a single, upright, sharp line of printed text.";
    throw new OpgError("no_text_line", message, { confidence });
  }
  return { text, confidence };
}

function view(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
