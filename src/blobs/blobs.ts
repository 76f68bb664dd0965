/** A source of content-addressed bytes. */
export interface Blobs {
  /**
   * The bytes whose SHA-256 is `digest` (0x and 64 lower-case hex digits); they have been checked against it.
   *
   * @throws OpgError `unknown_blob`, `model_bytes_mismatch`; remote ones `hub_unavailable` and `blob_too_large` too
   */
  get(digest: string): Promise<Uint8Array>;
}
