import { expect } from "chai";
import { encodeBytes32String, id, ZeroHash } from "ethers";
import { network } from "hardhat";
import { modelIdOf, type ModelVersion, onnxFormat, versionIdOf } from "#protocol/model.ts";
import { asObject, networkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;

const salt = id("salt");

/** A network with one model of the faucet's. */
async function modelFixture() {
  const { modelRegistry, wallets } = await networkFixture(connection);
  const publisher = wallets.faucet;
  const registry = modelRegistry.connect(publisher);
  await registry.createModel(salt, "line reader");
  const modelId = modelIdOf(publisher.address, salt);
  const version: ModelVersion = {
    modelId,
    contentDigest: id("content"),
    storageId: id("storage"),
    format: onnxFormat,
    profile: id("profile"),
    meter: { base: 2n ** 128n - 1n, perInputByte: 2n ** 64n - 1n, perOutputByte: 3n },
  };
  return { registry, publisher, modelId, version, stranger: wallets.stranger };
}

describe("ModelRegistry", () => {
  describe("createModel", () => {
    it("gives the model the id that packages/protocol computes", async () => {
      const { registry, publisher } = await loadFixture(modelFixture);
      const modelId = modelIdOf(publisher.address, id("another salt"));
      await expect(registry.createModel(id("another salt"), "line reader"))
        .to.emit(registry, "ModelCreated")
        .withArgs(modelId, publisher.address, "line reader");
      expect(await registry.models(modelId)).to.deep.equal([publisher.address, "line reader"]);
      expect(await registry.modelIdOf(publisher.address, id("another salt"))).to.equal(modelId);
    });

    it("takes each salt of a publisher once, and the same salt from another", async () => {
      const { registry, modelId, stranger } = await loadFixture(modelFixture);
      await expect(registry.createModel(salt, "again"))
        .to.be.revertedWithCustomError(registry, "ModelExists")
        .withArgs(modelId);
      await registry.connect(stranger).createModel(salt, "mine");
    });

    it("takes names of 1 to 64 bytes", async () => {
      const { registry } = await loadFixture(modelFixture);
      await registry.createModel(id("1"), "a");
      await registry.createModel(id("64"), "a".repeat(64));
      for (const name of ["", "a".repeat(65)]) {
        await expect(registry.createModel(id("2"), name))
          .to.be.revertedWithCustomError(registry, "NameOutOfBounds")
          .withArgs(name.length);
      }
    });
  });

  describe("publishVersion", () => {
    it("gives the version the id that packages/protocol computes, over all of it", async () => {
      const { registry, version } = await loadFixture(modelFixture);
      const versionId = versionIdOf(version);
      await expect(registry.publishVersion(version, "1"))
        .to.emit(registry, "VersionPublished")
        .withArgs(versionId, version.modelId, version.contentDigest, "1");
      expect(await registry.versionIdOf(version)).to.equal(versionId);
      expect(asObject(await registry.versions(versionId))).to.deep.equal(version);
      expect(await registry.labelOf(versionId)).to.equal("1");
    });

    const changes: Record<string, Partial<ModelVersion>> = {
      contentDigest: { contentDigest: id("other") },
      storageId: { storageId: id("other") },
      format: { format: encodeBytes32String("other") },
      profile: { profile: id("other") },
      meter: { meter: { base: 1n, perInputByte: 1n, perOutputByte: 1n } },
    };
    for (const [field, change] of Object.entries(changes)) {
      it(`makes another version of another ${field}`, async () => {
        const { registry, version } = await loadFixture(modelFixture);
        await registry.publishVersion(version, "1");
        const other = { ...version, ...change };
        await registry.publishVersion(other, "1");
        expect(versionIdOf(other)).not.to.equal(versionIdOf(version));
        expect(asObject(await registry.versions(versionIdOf(version)))).to.deep.equal(version);
      });
    }

    it("never publishes the same twice, whatever the label", async () => {
      const { registry, version } = await loadFixture(modelFixture);
      await registry.publishVersion(version, "1");
      await expect(registry.publishVersion(version, "2"))
        .to.be.revertedWithCustomError(registry, "VersionExists")
        .withArgs(versionIdOf(version));
      expect(await registry.labelOf(versionIdOf(version))).to.equal("1");
    });

    it("is refused to anyone but the publisher", async () => {
      const { registry, publisher, version, stranger } = await loadFixture(modelFixture);
      await expect(registry.connect(stranger).publishVersion(version, "1"))
        .to.be.revertedWithCustomError(registry, "OnlyPublisher")
        .withArgs(stranger.address, publisher.address);
    });

    it("refuses a version of no model", async () => {
      const { registry, version } = await loadFixture(modelFixture);
      await expect(registry.publishVersion({ ...version, modelId: ZeroHash }, "1"))
        .to.be.revertedWithCustomError(registry, "UnknownModel")
        .withArgs(ZeroHash);
    });

    it("refuses a version without content", async () => {
      const { registry, version } = await loadFixture(modelFixture);
      await expect(registry.publishVersion({ ...version, contentDigest: ZeroHash }, "1")).to.be.revertedWithCustomError(
        registry,
        "ZeroDigest",
      );
    });

    it("takes labels of 1 to 64 bytes", async () => {
      const { registry, version } = await loadFixture(modelFixture);
      for (const label of ["", "a".repeat(65)]) {
        await expect(registry.publishVersion(version, label))
          .to.be.revertedWithCustomError(registry, "NameOutOfBounds")
          .withArgs(label.length);
      }
      await registry.publishVersion(version, "a".repeat(64));
    });
  });
});
