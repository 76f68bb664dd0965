import type { Dtype } from "#protocol/tensors.ts";

/**
 * Makes every NaN of float data the one quiet NaN with sign 0 and payload 0 (0x7fc00000, 0x7ff8000000000000), in
 * place: WebAssembly leaves sign and payload of a computed NaN to the processor. Other types pass unchanged.
 *
 * @param data - little-endian bytes, aligned to the element
 */
export function canonicalizeNans(dtype: Dtype, data: Uint8Array): Uint8Array {
  if (dtype === "float32") writeNans(new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4), data, 0x7fc0);
  if (dtype === "float64") writeNans(new Float64Array(data.buffer, data.byteOffset, data.byteLength / 8), data, 0x7ff8);
  return data;
}

function writeNans(values: Float32Array | Float64Array, data: Uint8Array, highBits: number): void {
  const width = values.BYTES_PER_ELEMENT;
  values.forEach((value, index) => {
    if (!Number.isNaN(value)) return;
    const end = (index + 1) * width;
    data.fill(0, end - width, end);
    data[end - 2] = highBits & 0xff;
    data[end - 1] = highBits >> 8;
  });
}
