import { OpgError } from "#protocol/errors.ts";
import type { Logger } from "#service/logger.ts";
import { currentRequestId, requestIdHeader } from "#service/requestId.ts";
import type { Blobs } from "./blobs.ts";
import { blobTooLarge } from "./blobTooLarge.ts";
import { digest as digestOf, isDigest } from "./digest.ts";
import type { FolderBlobs } from "./folderBlobs.ts";

/** Where blobs are fetched and how much is taken. */
export interface RemoteBlobsOptions {
  /** Base URL of the hub. */
  hub: string;
  /** Largest blob that is taken; 2 GiB by default. */
  maxBytes?: number;
  /** Longest download; 300 by default. */
  timeoutSeconds?: number;
}

/** What remote blobs work with. */
export interface RemoteBlobsDependencies {
  /** Where fetched blobs are kept. */
  folder: FolderBlobs;
  logger: Logger;
}

/** Blobs of a hub behind a folder: what the folder lacks, or holds damaged, is fetched once, checked and kept there. */
export class RemoteBlobs implements Blobs {
  readonly #options: Required<RemoteBlobsOptions>;
  readonly #folder: FolderBlobs;
  readonly #logger: Logger;
  readonly #downloads = new Map<string, Promise<Uint8Array>>();

  constructor(options: RemoteBlobsOptions, { folder, logger }: RemoteBlobsDependencies) {
    this.#options = { maxBytes: 2 * 1024 ** 3, timeoutSeconds: 300, ...options };
    this.#folder = folder;
    this.#logger = logger;
  }

  /** Gives the folder's bytes or the hub's. Callers who ask for one digest at the same time share one download, and its limit. */
  async get(digest: string, maxBytes = Infinity): Promise<Uint8Array> {
    const running = this.#downloads.get(digest);
    if (running) return running;
    const most = Math.min(maxBytes, this.#options.maxBytes);
    const download = this.#find(digest, most).finally(() => this.#downloads.delete(digest));
    this.#downloads.set(digest, download);
    return download;
  }

  async #find(digest: string, maxBytes: number): Promise<Uint8Array> {
    try {
      return await this.#folder.get(digest, maxBytes);
    } catch (error) {
      const fetchable = error instanceof OpgError && ["unknown_blob", "model_bytes_mismatch"].includes(error.code);
      if (!fetchable || !isDigest(digest)) throw error;
      this.#logger.info({ digest, reason: error.code }, "fetching a blob from the hub");
    }
    const bytes = await this.#download(digest, maxBytes);
    const found = digestOf(bytes);
    if (found !== digest) {
      const message = "The hub sent other bytes than the digest names; they were not kept. Tell the hub's operator.";
      throw new OpgError("model_bytes_mismatch", message, { digest, found, hub: this.#options.hub });
    }
    await this.#folder.put(bytes);
    return bytes;
  }

  async #download(digest: string, maxBytes: number): Promise<Uint8Array> {
    const { hub, timeoutSeconds } = this.#options;
    const url = new URL(`${hub.replace(/\/$/, "")}/blobs/${digest}`);
    const requestId = currentRequestId();
    const headers = requestId === undefined ? {} : { [requestIdHeader]: requestId };
    try {
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutSeconds * 1000) });
      if (response.status === 404) {
        throw new OpgError("unknown_blob", "The hub has no blob of this digest; publish it there first.", {
          digest,
          hub,
        });
      }
      if (!response.ok || !response.body) throw new Error(`the hub answered ${response.status}`);
      if (Number(response.headers.get("content-length")) > maxBytes) {
        await response.body.cancel();
        throw blobTooLarge(digest, maxBytes);
      }
      return await collect(digest, response.body, maxBytes);
    } catch (cause) {
      if (cause instanceof OpgError) throw cause;
      const message = "The hub could not be reached or broke off; try again shortly.";
      throw new OpgError("hub_unavailable", message, { digest, hub }, { cause });
    }
  }
}

async function collect(digest: string, body: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of body) {
    received += chunk.length;
    if (received > maxBytes) throw blobTooLarge(digest, maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
