import { sha256 } from "ethers";

const DIGEST = /^0x[0-9a-f]{64}$/;

/** Content digest of a blob: SHA-256 as a lower-case bytes32 hex string with 0x. */
export function digest(bytes: Uint8Array): string {
  return sha256(bytes);
}

/** Whether a text has the form of a content digest, so that it may become a file name or a part of a URL. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}
