import type { Blobs } from "#blobs/blobs.ts";
import type { ModelRegistryAdapter, PublishedVersion } from "#chain/modelRegistry.ts";
import { profileDigest } from "#execution/profile.ts";
import { OpgError } from "#protocol/errors.ts";
import { onnxFormat } from "#protocol/model.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { RemoteEnclave } from "./remoteEnclave.ts";

const FIRST_RETRY_SECONDS = 1;
const LONGEST_RETRY_SECONDS = 30;
const MAX_VERSIONS = 1_000;

/** What the watch works with. */
export interface RunnableModelsDependencies {
  modelRegistry: Pick<ModelRegistryAdapter, "listVersions" | "version">;
  blobs: Blobs;
  /** Checks the bytes and keeps them. */
  enclave: Pick<RemoteEnclave, "load">;
  clock: Clock;
  logger: Logger;
}

interface Failure {
  error: OpgError;
  retrySeconds: number;
  /** Seconds since 1970; nothing for what can never be run. */
  retryAt: number | undefined;
}

/** The versions that this node can run: published, in its format and profile, and with bytes that its enclave has checked. */
export class RunnableModels {
  readonly #dependencies: RunnableModelsDependencies;
  readonly #ready = new Set<string>();
  readonly #failures = new Map<string, Failure>();

  constructor(dependencies: RunnableModelsDependencies) {
    this.#dependencies = dependencies;
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
    const { blobs, enclave, logger } = this.#dependencies;
    try {
      this.#requireRoom();
      await enclave.load(version, () => blobs.get(contentDigest));
      this.#ready.add(versionId);
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

  /** Anyone may publish, so what is loaded on their word has a limit. */
  #requireRoom(): void {
    if (this.#ready.size < MAX_VERSIONS) return;
    throw new OpgError("node_unavailable", "This node holds as many models as it can; choose another node.");
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
