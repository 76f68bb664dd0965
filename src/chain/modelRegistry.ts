import type { Provider } from "ethers";
import type { ModelVersion } from "#protocol/model.ts";
import { type IModelRegistry, IModelRegistry__factory } from "#typechain/index.ts";
import { BlockFollower } from "./blockFollower.ts";
import type { Call } from "./call.ts";

/** A model; names are not unique. */
export interface RegisteredModel {
  modelId: string;
  publisher: string;
  name: string;
}

/** A published version with the names of it and its model. */
export interface PublishedVersion extends ModelVersion {
  versionId: string;
  publisher: string;
  /** Name of the model. */
  name: string;
  /** Name of the version. */
  label: string;
}

/** ModelRegistry: models and their versions, append-only. */
export class ModelRegistryAdapter {
  readonly address: string;
  readonly #contract: IModelRegistry;
  readonly #follower: BlockFollower;
  readonly #published = new Set<string>();
  readonly #versions = new Map<string, PublishedVersion>();

  /** @param deploymentBlock - where the search for versions begins */
  constructor(address: string, provider: Provider, deploymentBlock: number) {
    this.address = address;
    this.#contract = IModelRegistry__factory.connect(address, provider);
    this.#follower = new BlockFollower(provider, deploymentBlock, async (from, to) => {
      const logs = await this.#contract.queryFilter(this.#contract.filters.VersionPublished(), from, to);
      logs.forEach(({ args }) => this.#published.add(args.versionId));
    });
  }

  /** Creates a model of the sender's; its id is `modelIdOf(sender, salt)`. */
  populateCreateModel(salt: string, name: string): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("createModel", [salt, name]) };
  }

  /** Adds a version to a model of the sender's; its id is `versionIdOf(version)`. */
  populatePublishVersion(version: ModelVersion, label: string): Call {
    const { interface: abi } = this.#contract;
    return { to: this.address, data: abi.encodeFunctionData("publishVersion", [version, label]) };
  }

  /** A model, or nothing where none has this id. */
  async model(modelId: string): Promise<RegisteredModel | undefined> {
    const { publisher, name } = await this.#contract.models(modelId);
    return BigInt(publisher) === 0n ? undefined : { modelId, publisher, name };
  }

  /** A version with its names, or nothing where none has this id. It never changes, so it is read once. */
  async version(versionId: string): Promise<PublishedVersion | undefined> {
    const known = this.#versions.get(versionId);
    if (known) return known;
    const [version, label] = await Promise.all([this.#contract.versions(versionId), this.#contract.labelOf(versionId)]);
    const model = await this.model(version.modelId);
    if (!model) return undefined;
    const { contentDigest, storageId, format, profile, meter } = version;
    const { base, perInputByte, perOutputByte } = meter;
    const published: PublishedVersion = {
      versionId,
      ...model,
      label,
      contentDigest,
      storageId,
      format,
      profile,
      meter: { base, perInputByte, perOutputByte },
    };
    this.#versions.set(versionId, published);
    return published;
  }

  /** Every version, in the order they were published. */
  async listVersions(): Promise<PublishedVersion[]> {
    await this.#follower.catchUp();
    const versions = await Promise.all([...this.#published].map((versionId) => this.version(versionId)));
    return versions.filter((version) => version !== undefined);
  }
}
