import type { Blobs } from "#blobs/blobs.ts";
import type { ModelRegistryAdapter, PublishedVersion } from "#chain/modelRegistry.ts";
import { ModelFailures } from "#execution/modelFailures.ts";
import { profileDigest } from "#execution/profile.ts";
import { OpgError } from "#protocol/errors.ts";
import { onnxFormat } from "#protocol/model.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { RemoteEnclave } from "./remoteEnclave.ts";

const MAX_VERSIONS = 1_000;

/** What the watch works with. */
export interface RunnableModelsDependencies {
  modelRegistry: Pick<ModelRegistryAdapter, "listVersions" | "version">;
  blobs: Blobs;
  /** Checks the bytes and keeps them. */
  enclave: Pick<RemoteEnclave, "load">;
  /** Publishers, models and versions that are run, in lower case; whatever is published, where left out. */
  wanted?: ReadonlySet<string> | undefined;
  clock: Clock;
  logger: Logger;
}

/**
 * The versions that this node can run: published, wanted by its operator, in its format and profile, and with bytes that its
 * enclave has checked.
 */
export class RunnableModels {
  readonly #dependencies: RunnableModelsDependencies;
  readonly #ready = new Set<string>();
  readonly #failures: ModelFailures;

  constructor(dependencies: RunnableModelsDependencies) {
    this.#dependencies = dependencies;
    this.#failures = new ModelFailures(dependencies.clock);
  }

  /** versionIds that can be run now. */
  get versions(): string[] {
    return [...this.#ready];
  }

  /**
   * Passes where a version can be run.
   *
   * @throws OpgError why it cannot be: `unknown_model`, `node_unavailable` while it loads, or what its loading failed with
   */
  async require(versionId: string): Promise<void> {
    if (this.#ready.has(versionId)) return;
    const version = await this.#dependencies.modelRegistry.version(versionId);
    if (!version || !this.#isRunnable(version)) {
      const message = "This version is not published, or is none that runs here.";
      throw new OpgError("unknown_model", message, { versionId });
    }
    const error = this.#failures.errorOf(version.contentDigest);
    if (error) throw error;
    throw new OpgError("node_unavailable", "The model is being loaded here; try again in a moment.", { versionId });
  }

  /** Looks for versions published since the last time and loads them. Failures are logged and tried again later. */
  async refresh(): Promise<void> {
    const { modelRegistry, logger } = this.#dependencies;
    try {
      for (const version of await modelRegistry.listVersions()) {
        if (this.#ready.has(version.versionId) || !this.#isRunnable(version)) continue;
        if (this.#failures.isDue(version.contentDigest)) await this.#load(version);
      }
    } catch (error) {
      logger.warn({ err: error }, "versions cannot be read from the chain");
    }
  }

  #isRunnable({ format, profile, publisher, modelId, versionId }: PublishedVersion): boolean {
    const { wanted } = this.#dependencies;
    const isWanted = !wanted || [publisher, modelId, versionId].some((name) => wanted.has(name.toLowerCase()));
    return isWanted && format === onnxFormat && profile === profileDigest;
  }

  async #load(version: PublishedVersion): Promise<void> {
    const { versionId, contentDigest, name, label } = version;
    const { blobs, enclave, logger } = this.#dependencies;
    try {
      this.#requireRoom();
      await enclave.load(version, (maxBytes) => blobs.get(contentDigest, maxBytes));
      this.#ready.add(versionId);
      this.#failures.succeeded(contentDigest);
      logger.info({ versionId, digest: contentDigest, model: name, version: label }, "model ready");
    } catch (thrown) {
      const error = thrown instanceof OpgError ? thrown : notLoaded(versionId, thrown);
      const retrySeconds = this.#failures.failed(contentDigest, error);
      logger.warn({ versionId, digest: contentDigest, code: error.code, retrySeconds, err: error }, "model refused");
    }
  }

  /** Anyone may publish, so what is loaded on their word has a limit. */
  #requireRoom(): void {
    if (this.#ready.size < MAX_VERSIONS) return;
    throw new OpgError("node_unavailable", "This node holds as many models as it can; choose another node.");
  }
}

function notLoaded(versionId: string, cause: unknown): OpgError {
  return new OpgError("internal", "The model could not be loaded here; try again later.", { versionId }, { cause });
}
