import { Worker } from "node:worker_threads";

/** A Walrus blob id in its two spellings. */
export interface StorageId {
  /** bytes32, as the contracts hold it. */
  hex: string;
  /** Unpadded base64url, as Walrus itself writes it. */
  base64url: string;
}

/**
 * Computes the Walrus blob id of some bytes, offline: blake2b256(0x01, u64le(length), Merkle root of the slivers that
 * a network of 1,000 shards would keep). It takes seconds whatever the size, so it runs in a thread of its own.
 */
export function storageId(bytes: Uint8Array): Promise<StorageId> {
  const id = known.get(bytes) ?? compute(bytes);
  known.set(bytes, id);
  return id;
}

/** The same bytes are asked about again when a publication is repeated; forgotten with them. */
const known = new WeakMap<Uint8Array, Promise<StorageId>>();

async function compute(bytes: Uint8Array): Promise<StorageId> {
  const id = await new Promise<Uint8Array>((resolve, reject) => {
    const thread = new Worker(new URL("./storageIdWorker.ts", import.meta.url), { workerData: bytes });
    thread.once("message", resolve).once("error", reject);
    thread.once("exit", (exitCode) => reject(new Error(`the thread that computes storage ids ended: ${exitCode}`)));
  });
  const buffer = Buffer.from(id);
  return { hex: `0x${buffer.toString("hex")}`, base64url: buffer.toString("base64url") };
}
