import { sha256 } from "ethers";
import { inspectModel, type Model } from "#execution/inspectModel.ts";
import { OpgError } from "#protocol/errors.ts";
import { type ModelVersion, versionIdOf } from "#protocol/model.ts";
import type { VersionedModel } from "./enclave.ts";

const MAX_HELD_BYTES = 2 * 1024 ** 3;

/** A file's next bytes. */
export interface Piece {
  /** SHA-256 of the file. */
  digest: string;
  totalBytes: number;
  offset: number;
  piece: Uint8Array;
}

/** The models that an enclave was handed, checked against the digests that their versions name. */
export class HeldModels {
  readonly #models = new Map<string, Model>();
  readonly #versions = new Map<string, VersionedModel>();
  /** The file under way: one after the other. */
  #loading: { digest: string; bytes: Uint8Array; filled: number } | undefined;

  /** What a further file may take. Nothing that is held is given up, so that no room comes back. */
  get roomBytes(): number {
    return [...this.#models.values()].reduce((room, { bytes }) => room - bytes.length, MAX_HELD_BYTES);
  }

  /** Has a version run from now on. @returns false where its file is missing */
  add(version: ModelVersion): boolean {
    const model = this.#models.get(version.contentDigest);
    if (model) this.#versions.set(versionIdOf(version), { version, model });
    return model !== undefined;
  }

  /** @throws OpgError `node_unavailable` where it was never handed in */
  get(versionId: string): VersionedModel {
    const versioned = this.#versions.get(versionId);
    if (versioned) return versioned;
    throw new OpgError("node_unavailable", "The model is being loaded here; try again in a moment.", { versionId });
  }

  /**
   * Takes a file's next bytes; the first ones begin it anew.
   *
   * @throws OpgError `blob_too_large` where there is no room, `invalid_body` for bytes out of order; with the last ones
   * `model_bytes_mismatch` or `invalid_model`
   */
  take({ digest, totalBytes, offset, piece }: Piece): void {
    if (offset === 0) this.#loading = { digest, bytes: this.#room(totalBytes), filled: 0 };
    const loading = this.#loading;
    const isNext = loading?.digest === digest && loading.filled === offset && loading.bytes.length === totalBytes;
    if (!isNext || offset + piece.length > totalBytes) {
      throw new OpgError("invalid_body", "These are not the file's next bytes; begin it anew.", { digest, offset });
    }
    loading.bytes.set(piece, offset);
    loading.filled += piece.length;
    if (loading.filled < totalBytes) return;
    this.#loading = undefined;
    this.#hold(digest, loading.bytes);
  }

  #hold(expected: string, bytes: Uint8Array): void {
    const digest = sha256(bytes);
    if (digest !== expected) {
      const message = "The model's bytes do not hash to the version's digest; they were not run.";
      throw new OpgError("model_bytes_mismatch", message, { digest, expected });
    }
    this.#models.set(expected, inspectModel(bytes));
  }

  /** Anyone may publish, so what is held on their word has a limit. */
  #room(bytes: number): Uint8Array {
    const maxBytes = this.roomBytes;
    if (bytes <= maxBytes) return new Uint8Array(bytes);
    const message = `This node has room for a model of ${maxBytes} bytes; choose another node.`;
    throw new OpgError("blob_too_large", message, { maxBytes });
  }
}
