import { decodeBytes32String } from "ethers";
import type { Blobs } from "#blobs/blobs.ts";
import type { ModelRegistryAdapter, PublishedVersion } from "#chain/modelRegistry.ts";
import { inspectModel, type Model } from "#execution/inspectModel.ts";
import { ModelFailures } from "#execution/modelFailures.ts";
import { OpgError } from "#protocol/errors.ts";
import { type ModelListingJson, onnxFormat } from "#protocol/model.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import { JoinedRuns } from "./joinedRuns.ts";
import { resolveModel } from "./resolveModel.ts";

/** What a graph takes and gives, in its own order. */
export type Graph = Pick<Model, "inputs" | "outputs" | "scan">;

/** A version that can be executed, and its graph. */
export interface ExecutableVersion {
  version: PublishedVersion;
  graph: Graph;
}

/** What a catalog reads from. */
export interface ModelCatalogDependencies {
  registry: Pick<ModelRegistryAdapter, "listVersions" | "version">;
  blobs: Blobs;
  clock: Clock;
  logger: Logger;
}

/**
 * The published versions that can be executed, with their graphs: read from the hub by digest, inspected once. Anyone may
 * publish, and a file may be large: one is read at a time.
 */
export class ModelCatalog {
  readonly #registry: ModelCatalogDependencies["registry"];
  readonly #blobs: Blobs;
  readonly #logger: Logger;
  readonly #graphs = new Map<string, Graph>();
  readonly #failures: ModelFailures;
  readonly #inspections = new JoinedRuns<Graph>();
  /** The end of the newest inspection that anyone waits for. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ registry, blobs, clock, logger }: ModelCatalogDependencies) {
    this.#registry = registry;
    this.#blobs = blobs;
    this.#logger = logger;
    this.#failures = new ModelFailures(clock);
  }

  /**
   * Finds a version and its graph.
   *
   * @param wanted - `name`, `name@version` or a versionId
   * @throws OpgError `unknown_model`, `invalid_model` for a file that is not executable; the hub's, for a while the one of the
   * last try
   */
  async find(wanted: string): Promise<ExecutableVersion> {
    const version = await this.#resolve(wanted);
    if (version.format !== onnxFormat) {
      throw new OpgError(
        "invalid_model",
        `"${wanted}" is stored but is not ONNX, so nobody can run it; name an ONNX model.`,
        {
          model: wanted,
        },
      );
    }
    return { version, graph: await this.#graphOf(version) };
  }

  /** Every version that was found executable so far, oldest first. */
  async list(): Promise<ExecutableVersion[]> {
    return (await this.#published()).flatMap((version) => {
      const graph = this.#graphs.get(version.contentDigest);
      return graph ? [{ version, graph }] : [];
    });
  }

  /** Inspects what was published since the last time. Failures are logged, and tried again later. */
  async refresh(): Promise<void> {
    for (const version of await this.#published()) {
      if (!this.#failures.isDue(version.contentDigest)) continue;
      try {
        await this.#graphOf(version);
      } catch (error) {
        this.#logger.warn({ err: error, versionId: version.versionId }, "model left out of the listing");
      }
    }
  }

  async #published(): Promise<PublishedVersion[]> {
    return (await this.#registry.listVersions()).filter(({ format }) => format === onnxFormat);
  }

  async #resolve(wanted: string): Promise<PublishedVersion> {
    if (/^0x[0-9a-fA-F]{64}$/.test(wanted)) {
      const version = await this.#registry.version(wanted.toLowerCase());
      if (version) return version;
    }
    const versions = await this.#registry.listVersions();
    return resolveModel(versions, wanted);
  }

  async #graphOf({ contentDigest: digest }: PublishedVersion): Promise<Graph> {
    const known = this.#graphs.get(digest);
    if (known) return known;
    const error = this.#failures.errorOf(digest);
    if (error && !this.#failures.isDue(digest)) throw error;
    return this.#inspections.join(digest, () => {
      const inspection = this.#turn.then(() => this.#inspect(digest));
      this.#turn = inspection.catch(() => undefined);
      return inspection;
    });
  }

  async #inspect(digest: string): Promise<Graph> {
    try {
      const { inputs, outputs, scan } = inspectModel(await this.#blobs.get(digest));
      const graph = { inputs, outputs, ...(scan ? { scan } : {}) };
      this.#graphs.set(digest, graph);
      this.#failures.succeeded(digest);
      return graph;
    } catch (error) {
      this.#failures.failed(digest, error);
      throw error;
    }
  }
}

/** A version as the listing shows it. */
export function listingOf({ version, graph }: ExecutableVersion, nodes: number): ModelListingJson {
  const { base, perInputByte, perOutputByte } = version.meter;
  return {
    name: version.name,
    version: version.label,
    versionId: version.versionId,
    modelId: version.modelId,
    publisher: version.publisher,
    digest: version.contentDigest,
    storageId: version.storageId,
    format: decodeBytes32String(version.format),
    profile: version.profile,
    meter: {
      base: base.toString(),
      perInputByte: perInputByte.toString(),
      perOutputByte: perOutputByte.toString(),
    },
    inputs: specsOf(graph.inputs),
    outputs: specsOf(graph.outputs),
    streams: graph.scan !== undefined,
    nodes,
  };
}

function specsOf(specs: Graph["inputs"]): ModelListingJson["inputs"] {
  return specs.map(({ name, dtype, shape }) => ({ name, dtype, shape: shape && [...shape] }));
}
