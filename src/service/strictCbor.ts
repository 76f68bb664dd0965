import { decode, type DecodeOptions, Tokenizer } from "cborg";

/** What may differ from one format to another. */
export interface CborForm {
  /** More values than any message of the format holds; it bounds depth and memory too, as each level and each entry is one. */
  maxValues: number;
  /** Whether maps become `Map`, and objects otherwise. */
  useMaps: boolean;
  /** Whether lengths may be left open. */
  allowIndefinite: boolean;
}

const strictly = {
  strict: true,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
} satisfies DecodeOptions;

class BoundedTokenizer extends Tokenizer {
  #left: number;

  constructor(bytes: Uint8Array, options: DecodeOptions, maxValues: number) {
    super(bytes, options);
    this.#left = maxValues;
  }

  override next() {
    if (this.#left-- === 0) throw new Error("more values than there may be");
    return super.next();
  }
}

/**
 * Reads one value of CBOR (RFC 8949): shortest heads, no key twice, no byte left over.
 *
 * @throws Error where it is none
 */
export function decodeCbor(bytes: Uint8Array, { maxValues, ...form }: CborForm): unknown {
  const options = { ...strictly, ...form };
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  return decode(plain, { ...options, tokenizer: new BoundedTokenizer(plain, options, maxValues) });
}
