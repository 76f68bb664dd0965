import type { Random } from "./random.ts";

const EDGES = [0x00, 0x01, 0x7f, 0x80, 0x9f, 0xbf, 0xff, 0x5f, 0x5b, 0x9b, 0xbb, 0xd2, 0xf6, 0xf7];

type Change = (bytes: Buffer, random: Random, other: Uint8Array) => Uint8Array;

const changes: readonly Change[] = [
  (bytes, random) => {
    for (let count = 1 + random.below(4); count > 0; count--) {
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    }
    return bytes;
  },
  (bytes, random) => bytes.fill(random.pick(EDGES), random.below(bytes.length)),
  (bytes, random) => {
    bytes[random.below(bytes.length)] = random.pick(EDGES);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => bytes.subarray(1 + random.below(16)),
  (bytes, random) => Buffer.concat([bytes, random.bytes(1 + random.below(64))]),
  (bytes, random) => Buffer.concat([random.bytes(1 + random.below(4)), bytes]),
  (bytes, random) => insert(bytes, random.below(bytes.length), 0, random.bytes(1 + random.below(16))),
  (bytes, random) => insert(bytes, random.below(bytes.length), 1 + random.below(32), new Uint8Array()),
  (bytes, random, other) => {
    const from = random.below(other.length);
    const piece = other.subarray(from, from + 1 + random.below(256));
    return insert(bytes, random.below(bytes.length), random.once(2) ? piece.length : 0, piece);
  },
  (bytes, random, other) =>
    Buffer.concat([bytes.subarray(0, random.below(bytes.length)), other.subarray(random.below(other.length))]),
  (_, random) => random.bytes(random.below(512)),
];

/** A document with bytes changed, lost, added, moved, or taken from another one, whatever they mean. */
export function mutateBytes(document: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  return random.pick(changes)(Buffer.from(document), random, other);
}

function insert(bytes: Buffer, at: number, lost: number, piece: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + lost)]);
}
