import { OpgError } from "#protocol/errors.ts";

/** The refusal of a blob that has more bytes than are taken. */
export function blobTooLarge(digest: string, maxBytes: number): OpgError {
  const message = `The blob has more than ${maxBytes} bytes, the most that is taken here; use a smaller model.`;
  return new OpgError("blob_too_large", message, { digest, maxBytes });
}
