import { expect } from "chai";
import { id, sha256 } from "ethers";
import type { PublishedVersion } from "#chain/modelRegistry.ts";
import { profileDigest } from "#execution/profile.ts";
import { HeldModels } from "#node/enclave/heldModels.ts";
import { RunnableModels } from "#node/runnableModels.ts";
import { startNode } from "#node/startNode.ts";
import { OpgError } from "#protocol/errors.ts";
import { onnxFormat } from "#protocol/model.ts";
import { createLogger } from "#service/logger.ts";
import { rejection } from "#test/execution/rejection.ts";

describe("the models of a node", () => {
  const published: PublishedVersion[] = [];
  const time = { now: 1_000 };
  let asked: string[];

  beforeEach(() => {
    published.length = 0;
    asked = [];
  });

  function publish(name: string, contentDigest: string, publisher = "0xAA"): PublishedVersion {
    const ids = { modelId: id(`model ${name}`), versionId: id(`version ${name}`), contentDigest, publisher };
    const version = { ...ids, format: onnxFormat, profile: profileDigest, name, label: "1" } as PublishedVersion;
    published.push(version);
    return version;
  }

  /** A node whose enclave has room for ten bytes, at a hub whose files have a hundred unless their digest is small. */
  function start(wanted?: ReadonlySet<string>): RunnableModels {
    const modelRegistry = {
      listVersions: () => Promise.resolve(published),
      version: (versionId: string) => Promise.resolve(published.find((version) => version.versionId === versionId)),
    };
    const get = (digest: string, maxBytes = Infinity): Promise<Uint8Array> => {
      asked.push(digest);
      const bytes = new Uint8Array(digest === small ? 10 : 100);
      if (bytes.length <= maxBytes) return Promise.resolve(bytes);
      return Promise.reject(new OpgError("blob_too_large", "It is too large."));
    };
    const load = async (_: unknown, fetch: (maxBytes: number) => Promise<unknown>): Promise<void> => {
      await fetch(10);
    };
    const logger = createLogger("node", "silent");
    return new RunnableModels({
      modelRegistry,
      blobs: { get },
      enclave: { load },
      clock: () => time.now,
      logger,
      wanted,
    });
  }

  const small = id("small");
  const large = id("large");

  it("are asked for by size, so that what finds no room is not fetched, and not asked for again", async () => {
    const models = start();
    const refused = [publish("large", large), publish("the same", large)];
    const { versionId } = publish("small", small);
    for (let round = 0; round < 10; round++) {
      await models.refresh();
      time.now += 1_000;
    }
    expect(asked).to.deep.equal([large, small]);
    expect(models.versions).to.deep.equal([versionId]);
    for (const version of refused) {
      expect((await rejection(models.require(version.versionId))).code).to.equal("blob_too_large");
    }
  });

  it("are those alone of the publishers, models and versions that the operator names", async () => {
    const ofPublisher = publish("one", small, "0xBB");
    const model = publish("two", small);
    const version = publish("three", small);
    const unwanted = publish("four", large);
    const models = start(new Set(["0xbb", model.modelId, version.versionId]));
    await models.refresh();
    expect(models.versions).to.deep.equal([ofPublisher, model, version].map(({ versionId }) => versionId));
    expect(asked).to.not.include(large);
    expect((await rejection(models.require(unwanted.versionId))).code).to.equal("unknown_model");
  });

  it("are not named as payers name them: a name is nobody's", async () => {
    const environment = { OPG_NETWORK: "none", OPG_PORT: "0", OPG_STATE: "none", OPG_OPERATOR_KEY: id("key") };
    const error = await rejection(startNode({ ...environment, OPG_MODELS: `${id("version")}, negation` }));
    expect(error.code).to.equal("configuration");
    expect(error.values).to.include({ variable: "OPG_MODELS" });
  });

  it("take no more room in the enclave than it has", () => {
    const held = new HeldModels();
    const file = { digest: sha256("0x00"), offset: 0, piece: new Uint8Array(1) };
    expect(() => held.take({ ...file, totalBytes: held.roomBytes + 1 })).to.throw(OpgError, /room/);
    expect(held.roomBytes).to.equal(2 * 1024 ** 3);
  });
});
