import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { OpgError } from "#protocol/errors.ts";
import { bodyTooLarge } from "#service/httpApp.ts";

const UNFINISHED = ".part";

/** A stored blob, to be streamed. */
export interface StoredBlob {
  bytes: number;
  stream(): ReadableStream;
}

/** Blobs in a folder, written and read as streams, so that a large one never stands in memory. */
export class HubBlobs {
  readonly #folder: string;
  readonly #maxBytes: number;

  private constructor(folder: string, maxBytes: number) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
  }

  /** Opens a folder, makes it where there is none, and removes what broken uploads left behind. */
  static async open(folder: string, maxBytes: number): Promise<HubBlobs> {
    await mkdir(folder, { recursive: true });
    const unfinished = (await readdir(folder)).filter((name) => name.endsWith(UNFINISHED));
    await Promise.all(unfinished.map((name) => rm(join(folder, name), { force: true })));
    return new HubBlobs(folder, maxBytes);
  }

  /** A blob, or nothing where there is none. @param digest - checked by the caller, since it names a file */
  async find(digest: string): Promise<StoredBlob | undefined> {
    const file = join(this.#folder, digest);
    const found = await stat(file).catch(() => undefined);
    if (!found) return undefined;
    return { bytes: found.size, stream: () => Readable.toWeb(createReadStream(file)) as ReadableStream };
  }

  /**
   * Stores a body once all of it has arrived and hashes to `digest`.
   *
   * @returns its length in bytes
   * @throws OpgError `invalid_body` or `body_too_large`; nothing is kept then
   */
  async receive(digest: string, body: ReadableStream<Uint8Array> | null): Promise<number> {
    const unfinished = join(this.#folder, `${digest}.${randomUUID()}${UNFINISHED}`);
    try {
      const bytes = await this.#write(unfinished, digest, body);
      await rename(unfinished, join(this.#folder, digest));
      return bytes;
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  async #write(file: string, digest: string, body: ReadableStream<Uint8Array> | null): Promise<number> {
    const hash = createHash("sha256");
    const handle = await open(file, "wx");
    let received = 0;
    try {
      for await (const chunk of readUpload(body)) {
        received += chunk.length;
        if (received > this.#maxBytes) throw bodyTooLarge(this.#maxBytes);
        hash.update(chunk);
        await handle.writeFile(chunk);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    const found = `0x${hash.digest("hex")}`;
    if (found === digest) return received;
    const message = `The bytes hash to ${found}, not to the digest in the path; send the file that was published.`;
    throw new OpgError("invalid_body", message, { digest, found });
  }
}

async function* readUpload(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  try {
    yield* body ?? [];
  } catch (cause) {
    throw new OpgError("invalid_body", "The upload broke off; send the whole file again.", {}, { cause });
  }
}
