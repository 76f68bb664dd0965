import type { Blobs } from "#blobs/blobs.ts";
import type { ModelRegistryAdapter, PublishedVersion } from "#chain/modelRegistry.ts";
import { inspectModel, type Model } from "#execution/inspectModel.ts";
import { profileDigest } from "#execution/profile.ts";
import { OpgError } from "#protocol/errors.ts";
import { onnxFormat } from "#protocol/model.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { VersionedModel } from "./enclave/enclave.ts";

const FIRST_RETRY_SECONDS = 1;
const LONGEST_RETRY_SECONDS = 30;
const MAX_HELD_BYTES = 2 * 1024 ** 3;
const MAX_VERSIONS = 1_000;

/** What the watch works with. */
export interface RunnableModelsDependencies {
  modelRegistry: Pick<ModelRegistryAdapter, "listVersions" | "version">;
  blobs: Blobs;
  clock: Clock;
  logger: Logger;
}

interface Failure {
  error: OpgError;
  retrySeconds: number;
  /** Seconds since 1970; nothing for what can never be run. */
  retryAt: number | undefined;
}

/** The versions that this node can run: published, in its format and profile, and with bytes that were checked. */
export class RunnableModels {
  readonly #dependencies: RunnableModelsDependencies;
  readonly #ready = new Map<string, VersionedModel>();
  readonly #failures = new Map<string, Failure>();

  constructor(dependencies: RunnableModelsDependencies) {
    this.#dependencies = dependencies;
  }

  /** versionIds that can be run now. */
  get versions(): string[] {
    return [...this.#ready.keys()];
  }

  /**
   * A version that can be run.
   *
   * @throws OpgError why it cannot be: `unknown_model`, `node_unavailable` while it loads, or what its loading failed with
   */
  async get(versionId: string): Promise<VersionedModel> {
    const ready = this.#ready.get(versionId);
    if (ready) return ready;
    const failure = this.#failures.get(versionId);
    if (failure) throw failure.error;
    const version = await this.#dependencies.modelRegistry.version(versionId);
    if (version && isRunnable(version)) {
      throw new OpgError("node_unavailable", "The model is being loaded here; try again in a moment.", { versionId });
    }
    throw new OpgError("unknown_model", "This version is not published, or not in a form that runs here.", {
      versionId,
    });
  }

  /** Looks for versions published since the last time and loads them. Failures are logged and tried again later. */
  async refresh(): Promise<void> {
    const { modelRegistry, clock, logger } = this.#dependencies;
    try {
      for (const version of await modelRegistry.listVersions()) {
        if (isRunnable(version) && this.#isDue(version.versionId, clock())) await this.#load(version);
      }
    } catch (error) {
      logger.warn({ err: error }, "versions cannot be read from the chain");
    }
  }

  #isDue(versionId: string, now: number): boolean {
    if (this.#ready.has(versionId)) return false;
    const failure = this.#failures.get(versionId);
    return !failure || (failure.retryAt !== undefined && now >= failure.retryAt);
  }

  async #load(version: PublishedVersion): Promise<void> {
    const { versionId, contentDigest, name, label } = version;
    const { blobs, logger } = this.#dependencies;
    try {
      const model = this.#held().get(contentDigest) ?? inspectModel(await blobs.get(contentDigest));
      this.#requireRoom(model);
      this.#ready.set(versionId, { version, model });
      this.#failures.delete(versionId);
      logger.info({ versionId, digest: contentDigest, model: name, version: label }, "model ready");
    } catch (error) {
      const failure = this.#failed(versionId, error);
      const { retrySeconds } = failure;
      logger.warn(
        { versionId, digest: contentDigest, code: failure.error.code, retrySeconds, err: error },
        "model refused",
      );
      this.#failures.set(versionId, failure);
    }
  }

  /** Models in memory by their digest: versions that differ in their price alone share one. */
  #held(): Map<string, Model> {
    return new Map([...this.#ready.values()].map(({ model }) => [model.digest, model]));
  }

  /** Anyone may publish, so what is loaded on their word has a limit. */
  #requireRoom(model: Model): void {
    const held = this.#held().set(model.digest, model);
    const bytes = [...held.values()].reduce((sum, { bytes: { length } }) => sum + length, 0);
    if (bytes <= MAX_HELD_BYTES && this.#ready.size < MAX_VERSIONS) return;
    throw new OpgError("node_unavailable", "This node holds as many models as it can; choose another node.", { bytes });
  }

  #failed(versionId: string, thrown: unknown): Failure {
    const error =
      thrown instanceof OpgError
        ? thrown
        : new OpgError(
            "internal",
            "The model could not be loaded here; try again later.",
            { versionId },
            { cause: thrown },
          );
    const last = this.#failures.get(versionId)?.retrySeconds ?? FIRST_RETRY_SECONDS / 2;
    const retrySeconds = Math.min(last * 2, LONGEST_RETRY_SECONDS);
    const retryAt = error.code === "invalid_model" ? undefined : this.#dependencies.clock() + retrySeconds;
    return { error, retrySeconds, retryAt };
  }
}

function isRunnable({ format, profile }: PublishedVersion): boolean {
  return format === onnxFormat && profile === profileDigest;
}
