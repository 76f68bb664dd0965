import { createKeccak } from "hash-wasm";
import type { Keccak } from "#protocol/structHash.ts";

const hasher = await createKeccak(256);

/** Keccak-256 in WebAssembly, for those who hash on behalf of every request: five times as fast as in JavaScript. */
export const fastKeccak: Keccak = (data) => hasher.init().update(data).digest("binary");
