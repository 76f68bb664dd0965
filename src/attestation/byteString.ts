import { z } from "zod";

/** A byte string of so many bytes, in a document that was read. */
export function byteString(from: number, to = from) {
  const fits = ({ length }: Uint8Array): boolean => from <= length && length <= to;
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && fits(value), `must be ${from} to ${to} bytes`);
}
