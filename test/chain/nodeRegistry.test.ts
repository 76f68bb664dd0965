import { expect } from "chai";
import { id, Wallet, ZeroAddress, ZeroHash } from "ethers";
import { network } from "hardhat";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { submitCall } from "#chain/submitCall.ts";
import { nodeRegistryDomain, typesOf } from "#protocol/typedData.ts";
import { approvedMeasurement, certify, networkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;

async function registryFixture() {
  const fixture = await networkFixture(connection);
  const { addresses, provider, deploymentBlock, makeAdmission, signAdmission, wallets } = fixture;
  const registry = new NodeRegistryAdapter(addresses.nodeRegistry, provider, deploymentBlock);
  const admission = await makeAdmission();
  const { enclaveSignature, certificate } = await signAdmission(admission);
  await submitCall(wallets.operator, registry.populateAdmit(admission, enclaveSignature, certificate));
  const { operator, payout, measurement, tlsKeyHash, hpkeKeyHash, evidenceHash, leaseUntil, sequence } = admission;
  const said = { operator, payout, measurement, tlsKeyHash, hpkeKeyHash, evidenceHash, leaseUntil, sequence };
  return { ...fixture, registry, admission, asRegistered: { address: admission.node, ...said, status: "active" } };
}

describe("NodeRegistryAdapter", () => {
  it("admits a node and reads all of its admission back", async () => {
    const { registry, asRegistered } = await loadFixture(registryFixture);
    expect(await registry.node(asRegistered.address)).to.deep.equal(asRegistered);
    expect(await registry.isActive(asRegistered.address)).to.equal(true);
  });

  it("reads what the newest of several admissions says", async () => {
    const { registry, makeAdmission, signAdmission, wallets } = await loadFixture(registryFixture);
    const renewal = await makeAdmission({
      sequence: 2,
      hpkeKeyHash: id("next key"),
      evidenceHash: id("next evidence"),
    });
    const { enclaveSignature, certificate } = await signAdmission(renewal);
    await submitCall(wallets.stranger, registry.populateAdmit(renewal, enclaveSignature, certificate));
    const { hpkeKeyHash, evidenceHash, sequence } = await registry.node(renewal.node);
    expect([hpkeKeyHash, evidenceHash, sequence]).to.deep.equal([id("next key"), id("next evidence"), 2]);
  });

  it("has only zeros for a node never admitted", async () => {
    const { registry, wallets } = await loadFixture(registryFixture);
    expect(await registry.node(wallets.stranger.address)).to.deep.equal({
      address: wallets.stranger.address,
      operator: ZeroAddress,
      payout: ZeroAddress,
      measurement: ZeroHash,
      tlsKeyHash: ZeroHash,
      hpkeKeyHash: ZeroHash,
      evidenceHash: ZeroHash,
      leaseUntil: 0,
      sequence: 0,
      status: "none",
    });
  });

  it("lists nodes as they stand now, also those that came after the first listing", async () => {
    const { registry, wallets, admission, makeAdmission, signAdmission } = await loadFixture(registryFixture);
    const url = "https://one.example";
    await submitCall(wallets.operator, registry.populateAnnounce(admission.node, url));
    expect((await registry.listNodes()).map((node) => [node.address, node.isActive, node.url])).to.deep.equal([
      [admission.node, true, url],
    ]);

    const second = new Wallet(id("a second node"));
    const other = await makeAdmission({ node: second.address });
    const { enclaveSignature, certificate } = await signAdmission(other, { enclave: second });
    await submitCall(wallets.operator, registry.populateAdmit(other, enclaveSignature, certificate));
    await submitCall(wallets.operator, registry.populateRetire(admission.node));
    expect((await registry.listNodes()).map((node) => [node.address, node.isActive, node.status])).to.deep.equal([
      [admission.node, false, "retired"],
      [second.address, true, "active"],
    ]);
  });

  it("forgets a node whose admission the chain forgot", async () => {
    const fixture = await loadFixture(networkFixture);
    const { addresses, provider, deploymentBlock, makeAdmission, signAdmission, wallets } = fixture;
    const registry = new NodeRegistryAdapter(addresses.nodeRegistry, provider, deploymentBlock);
    const before = await connection.networkHelpers.takeSnapshot();
    const admission = await makeAdmission();
    const { enclaveSignature, certificate } = await signAdmission(admission);
    await submitCall(wallets.operator, registry.populateAdmit(admission, enclaveSignature, certificate));
    expect(await registry.listNodes()).to.have.length(1);
    await before.restore();
    expect(await registry.listNodes()).to.deep.equal([]);
  });

  it("asks no more about a node that ended some blocks ago, and again about one whose end the chain forgot", async () => {
    const { addresses, provider, deploymentBlock, admission, wallets } = await loadFixture(registryFixture);
    const registry = new NodeRegistryAdapter(addresses.nodeRegistry, provider, deploymentBlock);
    const { mine, takeSnapshot } = connection.networkHelpers;
    const before = await takeSnapshot();
    const retire = () => submitCall(wallets.operator, registry.populateRetire(admission.node));
    let asked = 0;
    const urlOf = registry.urlOf.bind(registry);
    registry.urlOf = (node) => {
      asked += 1;
      return urlOf(node);
    };
    const statusOf = async () => (await registry.listNodes()).map(({ status }) => status);
    await retire();
    expect(await statusOf()).to.deep.equal(["retired"]);
    await before.restore();
    expect(await statusOf()).to.deep.equal(["active"]);
    await retire();
    for (const expected of [3, 4, 4]) {
      expect(await statusOf()).to.deep.equal(["retired"]);
      expect(asked).to.equal(expected);
      await mine(12);
    }
  });

  it("asks no more about a node whose lease ended some blocks ago, until it is admitted again", async () => {
    const fixture = await loadFixture(registryFixture);
    const { addresses, provider, deploymentBlock, admission, wallets, makeAdmission, signAdmission } = fixture;
    const registry = new NodeRegistryAdapter(addresses.nodeRegistry, provider, deploymentBlock);
    const { mine, time } = connection.networkHelpers;
    let asked = 0;
    const urlOf = registry.urlOf.bind(registry);
    registry.urlOf = (node) => {
      asked += 1;
      return urlOf(node);
    };
    const isActive = async () => (await registry.listNodes()).map((node) => node.isActive);
    expect(await isActive()).to.deep.equal([true]);
    await time.increaseTo(admission.leaseUntil);
    for (const expected of [2, 3, 3]) {
      expect(await isActive()).to.deep.equal([false]);
      expect(asked).to.equal(expected);
      await mine(12);
    }
    const renewal = await makeAdmission({ sequence: 2, leaseUntil: (await time.latest()) + 600 });
    const { enclaveSignature, certificate } = await signAdmission(renewal);
    await submitCall(wallets.stranger, registry.populateAdmit(renewal, enclaveSignature, certificate));
    for (const expected of [4, 5]) {
      expect(await isActive()).to.deep.equal([true]);
      expect(asked).to.equal(expected);
    }
  });

  it("reads the others when a question about one fails, and says which", async () => {
    const fixture = await loadFixture(registryFixture);
    const { addresses, provider, deploymentBlock, admission, wallets, makeAdmission, signAdmission } = fixture;
    const registry = new NodeRegistryAdapter(addresses.nodeRegistry, provider, deploymentBlock);
    const second = new Wallet(id("a second node"));
    const other = await makeAdmission({ node: second.address });
    const { enclaveSignature, certificate } = await signAdmission(other, { enclave: second });
    await submitCall(wallets.operator, registry.populateAdmit(other, enclaveSignature, certificate));
    const error = new Error("too many requests");
    const urlOf = registry.urlOf.bind(registry);
    registry.urlOf = (node) => (node === admission.node ? Promise.reject(error) : urlOf(node));
    const { nodes, unread } = await registry.readNodes();
    expect(nodes.map(({ address }) => address)).to.deep.equal([second.address]);
    expect(unread).to.deep.equal([{ address: admission.node, error }]);
    expect(await registry.listNodes().catch((thrown: unknown) => thrown)).to.equal(error);
  });

  it("revokes under a certificate", async () => {
    const { registry, admission, wallets, domainOf } = await loadFixture(registryFixture);
    const domain = nodeRegistryDomain(domainOf("nodeRegistry"));
    const value = { node: admission.node, epoch: 1n };
    const certificate = await certify(wallets.verifiers, { domain, types: typesOf("Revocation"), value });
    await submitCall(wallets.stranger, registry.populateRevoke(admission.node, 1n, certificate));
    expect((await registry.node(admission.node)).status).to.equal("revoked");
  });

  it("reads the rules of admission", async () => {
    const { registry, parameters } = await loadFixture(registryFixture);
    expect(await registry.measurementWindow(approvedMeasurement)).to.deep.equal({ from: 0, until: 2 ** 40 - 1 });
    expect(await registry.maxLeaseSeconds()).to.equal(parameters.maxLeaseSeconds);
    expect(await registry.admissionsPaused()).to.equal(false);
  });
});
