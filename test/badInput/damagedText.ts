import fc from "fast-check";

/** What is done to a JSON text as a whole. */
const spoilt: ((text: string) => Uint8Array | string)[] = [
  () => "",
  () => "null",
  () => "[]",
  () => '"payment"',
  () => "0",
  () => "undefined",
  (text) => text.slice(0, -1),
  (text) => text.slice(1),
  (text) => `${text}${text}`,
  (text) => `${text},`,
  (text) => `[${text}]`,
  (text) => `\ufeff${text}`,
  (text) => `/* paid */${text}`,
  (text) => text.replaceAll('"', "'"),
  (text) => text.replaceAll('"', "\u201c"),
  (text) => `{"__proto__":${text}}`,
  (text) => `${"[".repeat(50_000)}${text}${"]".repeat(50_000)}`,
  (text) => `${'{"a":'.repeat(5_000)}${text}${"}".repeat(5_000)}`,
  (text) => Buffer.from(text, "utf16le"),
  (text) => Buffer.concat([Buffer.from(text.slice(0, -2)), Buffer.from([0xff, 0xfe]), Buffer.from(text.slice(-2))]),
  (text) => Buffer.from(text).map((byte, index) => (index % 7 === 3 ? 0 : byte)),
];

/** Bytes that are no JSON, or no JSON object of the wanted kind any more. */
export function damagedText(text: string): fc.Arbitrary<Uint8Array> {
  return fc.constantFrom(...spoilt).map((spoil) => Buffer.from(spoil(text) as Uint8Array));
}

/** Header values that are not the one base64 of a text. */
const encodings: ((base64: string) => string)[] = [
  (base64) => base64.replace(/=+$/, "") + (base64.endsWith("=") ? "" : "="),
  (base64) => `${base64}=`,
  (base64) => `=${base64}`,
  (base64) => base64.slice(1),
  (base64) => base64.slice(0, -3),
  (base64) => `${base64.slice(0, 8)} ${base64.slice(8)}`,
  (base64) => `${base64},${base64}`,
  (base64) => `${base64}${base64}`,
  (base64) => `data:application/json;base64,${base64}`,
  (base64) => `Bearer ${base64}`,
  (base64) => `"${base64}"`,
  (base64) => Buffer.from(base64).toString("base64"),
  (base64) => Buffer.from(base64, "base64").toString("hex"),
  (base64) => `${base64.slice(0, 4)}-_${base64.slice(6)}`,
  (base64) => `${base64.slice(0, 4)}!${base64.slice(5)}`,
  (base64) => encodeURIComponent(base64.slice(0, -1) + "+"),
  (base64) => base64.toLowerCase(),
  (base64) => Buffer.from(base64).reverse().toString(),
  () => "{}",
  () => "e30=",
  () => "=",
  () => "A".repeat(12_000),
];

/** Values of a header that should be the base64 of a text, and are not. */
export function damagedBase64(text: string): fc.Arbitrary<string> {
  return fc.constantFrom(...encodings).map((encode) => encode(Buffer.from(text).toString("base64")));
}
