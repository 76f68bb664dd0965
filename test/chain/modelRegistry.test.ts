import { expect } from "chai";
import { id } from "ethers";
import { network } from "hardhat";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { submitCall } from "#chain/submitCall.ts";
import { modelIdOf, type ModelVersion, onnxFormat, versionIdOf } from "#protocol/model.ts";
import { networkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;

async function modelsFixture() {
  const { addresses, provider, deploymentBlock, wallets } = await networkFixture(connection);
  const registry = new ModelRegistryAdapter(addresses.modelRegistry, provider, deploymentBlock);
  const publisher = wallets.faucet;
  await submitCall(publisher, registry.populateCreateModel(id("salt"), "line reader"));
  const modelId = modelIdOf(publisher.address, id("salt"));
  const publish = async (label: string): Promise<ModelVersion> => {
    const meter = { base: 1n, perInputByte: 2n, perOutputByte: 3n };
    const digests = { contentDigest: id(label), storageId: id("storage"), profile: id("profile") };
    const version = { modelId, ...digests, format: onnxFormat, meter };
    await submitCall(publisher, registry.populatePublishVersion(version, label));
    return version;
  };
  return { registry, publisher, modelId, publish };
}

describe("ModelRegistryAdapter", () => {
  it("publishes a version and reads it back with its names", async () => {
    const { registry, publisher, modelId, publish } = await loadFixture(modelsFixture);
    const version = await publish("1");
    expect(await registry.version(versionIdOf(version))).to.deep.equal({
      ...version,
      versionId: versionIdOf(version),
      publisher: publisher.address,
      name: "line reader",
      label: "1",
    });
    expect(await registry.model(modelId)).to.deep.equal({ modelId, publisher: publisher.address, name: "line reader" });
  });

  it("says nothing of models and versions that are not there", async () => {
    const { registry } = await loadFixture(modelsFixture);
    expect(await registry.model(id("none"))).to.equal(undefined);
    expect(await registry.version(id("none"))).to.equal(undefined);
  });

  it("lists versions in the order they were published, also later ones", async () => {
    const { registry, publish } = await loadFixture(modelsFixture);
    expect(await registry.listVersions()).to.deep.equal([]);
    await publish("1");
    expect((await registry.listVersions()).map(({ label }) => label)).to.deep.equal(["1"]);
    await publish("2");
    expect((await registry.listVersions()).map(({ label }) => label)).to.deep.equal(["1", "2"]);
  });
});
