import { refusedEvidence } from "#attestation/refusedEvidence.ts";

/** Tags of DER that certificates, revocation lists and their extensions are made of. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  /** Context tag 0, constructed. */
  context0: 0xa0,
  context3: 0xa3,
} as const;

/** One value: its tag, what is inside, and the whole encoding, all views into what was read. */
export interface DerValue {
  tag: number;
  content: Uint8Array;
  whole: Uint8Array;
}

/**
 * Reads one level of ITU-T X.690's distinguished encoding, and nothing that is only basic encoding: lengths are definite
 * and as short as can be, tags have one byte. Whoever reads a level goes down by a reader of its own, so depth is bounded
 * by what is asked for.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether all was read. */
  done(): boolean {
    return this.#position === this.#bytes.length;
  }

  /** Tag of the next value, `undefined` at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#position];
  }

  /**
   * The next value, of the tag given where one is.
   *
   * @throws OpgError `evidence_refused`: `malformed_certificate`, as everything here
   */
  next(expected?: number): DerValue {
    const start = this.#position;
    const tag = this.#bytes[start];
    if (tag === undefined || (tag & 0x1f) === 0x1f) throw malformed("tag");
    if (expected !== undefined && tag !== expected) throw malformed("tag");
    const [length, header] = this.#length(start + 1);
    const end = start + 1 + header + length;
    if (end > this.#bytes.length) throw malformed("length");
    this.#position = end;
    return {
      tag,
      content: this.#bytes.subarray(start + 1 + header, end),
      whole: this.#bytes.subarray(start, end),
    };
  }

  /** The next value if it has this tag, else `undefined`. */
  optional(tag: number): DerValue | undefined {
    return this.nextTag === tag ? this.next() : undefined;
  }

  /** A reader of the next value's content. */
  enter(tag: number): DerReader {
    return new DerReader(this.next(tag).content);
  }

  /** Refuses what is left over. */
  end(): void {
    if (!this.done()) throw malformed("trailing bytes");
  }

  /** @returns the length and how many bytes say it */
  #length(position: number): [length: number, header: number] {
    const first = this.#bytes[position];
    if (first === undefined) throw malformed("length");
    if (first < 0x80) return [first, 1];
    const count = first & 0x7f;
    const bytes = this.#bytes.subarray(position + 1, position + 1 + count);
    if (count === 0 || count > 3 || bytes.length < count) throw malformed("length");
    const length = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
    if (length < 0x80 || bytes[0] === 0) throw malformed("length");
    return [length, 1 + count];
  }
}

/** A value that must be the only one in these bytes. */
export function readOnly(bytes: Uint8Array, tag: number): DerValue {
  const reader = new DerReader(bytes);
  const value = reader.next(tag);
  reader.end();
  return value;
}

/** Content of an INTEGER that is not negative, without the leading zero, as hex; `00` for zero. */
export function unsignedOf({ content }: DerValue): string {
  const [first, second] = content;
  if (first === undefined || first >= 0x80) throw malformed("integer");
  if (first === 0 && second !== undefined && second < 0x80) throw malformed("integer");
  return Buffer.from(first === 0 && content.length > 1 ? content.subarray(1) : content).toString("hex");
}

/** A small INTEGER that is not negative. */
export function smallUnsignedOf(value: DerValue): number {
  const hex = unsignedOf(value);
  if (hex.length > 8) throw malformed("integer");
  return Number.parseInt(hex, 16);
}

/** Content of a BIT STRING of whole bytes. */
export function wholeBytesOf({ content }: DerValue): Uint8Array {
  if (content[0] !== 0) throw malformed("bit string");
  return content.subarray(1);
}

/** A BOOLEAN: DER knows one spelling of each. */
export function booleanOf({ content }: DerValue): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw malformed("boolean");
  return content[0] === 0xff;
}

/** The refusal for what is no certificate. */
export function malformed(field: string) {
  return refusedEvidence("malformed_certificate", { field });
}
