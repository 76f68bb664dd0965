import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { OpgError } from "#protocol/errors.ts";
import type { Blobs } from "./blobs.ts";
import { blobTooLarge } from "./blobTooLarge.ts";
import { digest as digestOf, isDigest } from "./digest.ts";

/** Blobs in a folder, one file each, named by digest. Every read is checked; every write is whole or absent. */
export class FolderBlobs implements Blobs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads a blob. A file that does not hash to its name is removed, so that the blob can be put there again. */
  async get(digest: string, maxBytes = Infinity): Promise<Uint8Array> {
    if (!isDigest(digest)) throw unknownBlob(digest);
    const file = join(this.#folder, digest);
    const missing = (cause: unknown): never => {
      throw isMissing(cause) ? unknownBlob(digest) : cause;
    };
    const { size } = await stat(file).catch(missing);
    if (size > maxBytes) throw blobTooLarge(digest, maxBytes);
    const bytes = await readFile(file).catch(missing);
    const found = digestOf(bytes);
    if (found === digest) return bytes;
    await rm(file, { force: true });
    throw new OpgError(
      "model_bytes_mismatch",
      "The stored bytes do not hash to their digest; they were removed, fetch or publish them again.",
      { digest, found },
    );
  }

  /** Stores bytes durably. @returns their digest */
  async put(bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes);
    await mkdir(this.#folder, { recursive: true });
    const unfinished = join(this.#folder, `${digest}.${randomUUID()}.part`);
    try {
      await writeSynced(unfinished, bytes);
      await rename(unfinished, join(this.#folder, digest));
    } catch (cause) {
      await rm(unfinished, { force: true });
      throw cause;
    }
    await syncFolder(this.#folder);
    return digest;
  }
}

async function writeSynced(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A rename survives a power cut only once its folder is on the disk too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function unknownBlob(digest: string): OpgError {
  return new OpgError("unknown_blob", "There is no blob of this digest here; publish it at the hub first.", { digest });
}
