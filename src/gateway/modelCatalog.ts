import { decodeBytes32String } from "ethers";
import type { Blobs } from "#blobs/blobs.ts";
import type { ModelRegistryAdapter, PublishedVersion } from "#chain/modelRegistry.ts";
import { inspectModel, type Model } from "#execution/inspectModel.ts";
import { OpgError } from "#protocol/errors.ts";
import { type ModelListingJson, onnxFormat } from "#protocol/model.ts";
import type { Logger } from "#service/logger.ts";
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
  logger: Logger;
}

/** The published versions that can be executed, with their graphs: read from the hub by digest, inspected once. */
export class ModelCatalog {
  readonly #registry: ModelCatalogDependencies["registry"];
  readonly #blobs: Blobs;
  readonly #logger: Logger;
  readonly #graphs = new Map<string, Promise<Graph>>();

  constructor({ registry, blobs, logger }: ModelCatalogDependencies) {
    this.#registry = registry;
    this.#blobs = blobs;
    this.#logger = logger;
  }

  /**
   * Finds a version and its graph.
   *
   * @param wanted - `name`, `name@version` or a versionId
   * @throws OpgError `unknown_model`, `invalid_model` for a file that is not executable; the hub's
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

  /** Every executable version, oldest first; one whose file cannot be read now is left out, and logged. */
  async list(): Promise<ExecutableVersion[]> {
    const versions = await this.#registry.listVersions();
    const found = await Promise.all(
      versions.filter(({ format }) => format === onnxFormat).map((version) => this.#executable(version)),
    );
    return found.filter((version) => version !== undefined);
  }

  async #resolve(wanted: string): Promise<PublishedVersion> {
    if (/^0x[0-9a-fA-F]{64}$/.test(wanted)) {
      const version = await this.#registry.version(wanted.toLowerCase());
      if (version) return version;
    }
    const versions = await this.#registry.listVersions();
    return resolveModel(versions, wanted);
  }

  async #executable(version: PublishedVersion): Promise<ExecutableVersion | undefined> {
    try {
      return { version, graph: await this.#graphOf(version) };
    } catch (error) {
      this.#logger.warn({ err: error, versionId: version.versionId }, "model left out of the listing");
      return undefined;
    }
  }

  #graphOf({ contentDigest }: PublishedVersion): Promise<Graph> {
    const known = this.#graphs.get(contentDigest);
    if (known) return known;
    const graph = this.#blobs.get(contentDigest).then((bytes) => {
      const { inputs, outputs, scan } = inspectModel(bytes);
      return { inputs, outputs, ...(scan ? { scan } : {}) };
    });
    this.#graphs.set(contentDigest, graph);
    graph.catch(() => this.#graphs.delete(contentDigest));
    return graph;
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
