import { parentPort, workerData } from "node:worker_threads";
import { BlobEncoder } from "@mysten/walrus-wasm";

/** Walrus's own number of shards; the id depends on it. */
const SHARDS = 1000;

/** The program of the thread that computes one Walrus blob id: 32 bytes. */
const [id] = new BlobEncoder(SHARDS).compute_metadata(workerData as Uint8Array) as [number[]];
parentPort?.postMessage(Uint8Array.from(id));
