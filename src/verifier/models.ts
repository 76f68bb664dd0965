import type { Blobs } from "#blobs/blobs.ts";
import { inspectModel, type Model } from "#execution/inspectModel.ts";

/** Models kept inspected in memory; the folder of blobs holds the rest. */
const MAX_MODELS = 2;

/** Models by content digest, their bytes checked against it. */
export class Models {
  readonly #blobs: Blobs;
  /** The least recently used first. */
  readonly #loaded = new Map<string, Promise<Model>>();

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  /** @throws OpgError what `Blobs` throws, and `invalid_model` */
  async load(digest: string): Promise<Model> {
    const model = this.#loaded.get(digest) ?? this.#blobs.get(digest).then(inspectModel);
    this.#loaded.delete(digest);
    this.#loaded.set(digest, model);
    const [oldest] = this.#loaded.keys();
    if (this.#loaded.size > MAX_MODELS && oldest !== undefined) this.#loaded.delete(oldest);
    try {
      return await model;
    } catch (error) {
      if (this.#loaded.get(digest) === model) this.#loaded.delete(digest);
      throw error;
    }
  }
}
