import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { sha256 } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { reproducibleProfile } from "./profile.ts";

const INSTALLED_ENGINE = fileURLToPath(import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"));

/**
 * Reads the WebAssembly binary of the `reproducible` profile. What is hashed here is what the workers load.
 *
 * @throws OpgError `configuration` when the file is missing or is not the pinned one
 */
export async function readEngine(file: string = INSTALLED_ENGINE): Promise<Uint8Array> {
  const { engine, version, wasmSha256 } = reproducibleProfile;
  const remedy = `install ${engine} ${version} again (npm ci)`;
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new OpgError("configuration", `The engine ${file} cannot be read; ${remedy}.`, { file }, { cause });
  });
  const digest = sha256(bytes);
  if (digest !== wasmSha256) {
    throw new OpgError("configuration", `The engine ${file} is not the one that the profile pins; ${remedy}.`, {
      file,
      digest,
      expected: wasmSha256,
    });
  }
  return bytes;
}
