import { createHash } from "node:crypto";

/**
 * The `reproducible` execution profile: everything that decides the bits of a result besides model and inputs.
 *
 * One WebAssembly binary, pinned by its SHA-256, with one thread, sequential: two threads are not reproducible.
 * The optimisation level is pinned because each level gives other bits; `extended` leaves out the layout
 * optimisations, which may follow the processor. NaNs are made canonical because WebAssembly leaves their bits open.
 */
export const reproducibleProfile = {
  name: "reproducible",
  engine: "onnxruntime-web",
  version: "1.30.0",
  wasmSha256: "0x3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
  numThreads: 1,
  executionMode: "sequential",
  graphOptimizationLevel: "extended",
  nan: "canonical",
} as const;

/**
 * The bytes32 that a model version names its profile by: SHA-256 of the profile as JSON in UTF-8,
 * keys sorted, no white space (for these values the same as RFC 8785).
 */
export const profileDigest = `0x${createHash("sha256")
  .update(JSON.stringify(reproducibleProfile, Object.keys(reproducibleProfile).sort()))
  .digest("hex")}`;
