import { encode, rfc8949EncodeOptions } from "cborg";
import { decodeCbor } from "#service/strictCbor.ts";

/** A frame is the length of what follows, in four bytes with the highest first, and a value in deterministic CBOR. */
const HEAD_BYTES = 4;

/** What a message may be: more values than any holds are refused. */
const form = { maxValues: 20_000, useMaps: false, allowIndefinite: false };

/** Writes a frame. */
export function encodeFrame(message: unknown): Buffer {
  const content = encode(message, rfc8949EncodeOptions);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(content.length);
  return Buffer.concat([head, content]);
}

/** Reads what is between frames' heads. @throws Error where it is not one value in its one encoding */
function decodeContent(bytes: Buffer): unknown {
  const message = decodeCbor(bytes, form);
  if (Buffer.compare(encode(message, rfc8949EncodeOptions), bytes) !== 0) throw new Error("not in deterministic form");
  return message;
}

/** Takes bytes as they come and gives frames as they are whole; never holds more than one frame's limit. */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #held = 0;

  /** @param maxBytes - a frame whose content is longer is refused by its head */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws Error where what came is no frame; nothing that comes after that can be read */
  *push(chunk: Buffer): Generator<unknown, void> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    for (;;) {
      if (this.#held < HEAD_BYTES) return;
      const length = this.#peekLength();
      if (length > this.#maxBytes) throw new Error(`a frame of ${length} bytes`);
      if (this.#held < HEAD_BYTES + length) return;
      const whole = Buffer.concat(this.#chunks);
      const rest = whole.subarray(HEAD_BYTES + length);
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#held = rest.length;
      yield decodeContent(whole.subarray(HEAD_BYTES, HEAD_BYTES + length));
    }
  }

  #peekLength(): number {
    const [first] = this.#chunks;
    if (first && first.length >= HEAD_BYTES) return first.readUInt32BE();
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]?.readUInt32BE() ?? 0;
  }
}
