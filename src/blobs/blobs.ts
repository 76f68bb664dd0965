/** A source of content-addressed bytes. */
export interface Blobs {
  /**
   * The bytes whose SHA-256 is `digest` (0x and 64 lower-case hex digits); they have been checked against it.
   *
   * @param maxBytes - a longer blob is refused, where it can be told before it is read
   * @throws OpgError `unknown_blob`, `model_bytes_mismatch`, `blob_too_large`; remote ones `hub_unavailable` too
   */
  get(digest: string, maxBytes?: number): Promise<Uint8Array>;
}
