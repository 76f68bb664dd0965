import { expect } from "chai";
import { id, TypedDataEncoder, Wallet, ZeroHash } from "ethers";
import { network } from "hardhat";
import { admissionTypedData } from "#protocol/admission.ts";
import { type Domain, nodeRegistryDomain, typesOf } from "#protocol/typedData.ts";
import { approvedMeasurement, certify, type NetworkFixture, networkFixture } from "#test/contracts/fixture.ts";
import { admittedNodeFixture } from "./admittedNodeFixture.ts";

const connection = await network.create();
const { ethers, networkHelpers } = connection;
const { loadFixture, time } = networkHelpers;

type Registry = NetworkFixture["nodeRegistry"];

/** NodeRegistry.Status */
const status = { retired: 2n, revoked: 3n };

function revocationOf(node: string, epoch: bigint, nodeRegistry: Domain) {
  return { domain: nodeRegistryDomain(nodeRegistry), types: typesOf("Revocation"), value: { node, epoch } };
}

describe("NodeRegistry", () => {
  describe("isActive", () => {
    it("ends with the lease, at its very second", async () => {
      const { nodeRegistry, admission } = await loadFixture(admittedNodeFixture);
      await time.increaseTo(admission.leaseUntil - 1);
      expect(await nodeRegistry.isActive(admission.node)).to.equal(true);
      await time.increaseTo(admission.leaseUntil);
      expect(await nodeRegistry.isActive(admission.node)).to.equal(false);
    });

    it("ends for every node under a measurement when its window ends, for the price of one", async () => {
      const { nodeRegistry, makeAdmission, signAdmission, govern, admission, now } =
        await loadFixture(admittedNodeFixture);
      const second = new Wallet(id("a second node"));
      const other = await makeAdmission({ node: second.address });
      const { enclaveSignature, certificate } = await signAdmission(other, { enclave: second });
      await nodeRegistry.admit(other, enclaveSignature, certificate);
      const end = nodeRegistry.interface.encodeFunctionData("setMeasurement", [approvedMeasurement, 0, await now()]);
      await govern({ to: await nodeRegistry.getAddress(), data: end });
      expect(await nodeRegistry.isActive(admission.node)).to.equal(false);
      expect(await nodeRegistry.isActive(second.address)).to.equal(false);
    });

    it("is false for a node that was never admitted", async () => {
      const { nodeRegistry } = await loadFixture(networkFixture);
      expect(await nodeRegistry.isActive(Wallet.createRandom().address)).to.equal(false);
    });
  });

  describe("announce", () => {
    it("lets the operator say where the node is, and say it anew", async () => {
      const { nodeRegistry, wallets, admission } = await loadFixture(admittedNodeFixture);
      const byOperator = nodeRegistry.connect(wallets.operator);
      await expect(byOperator.announce(admission.node, "https://one.example"))
        .to.emit(nodeRegistry, "NodeAnnounced")
        .withArgs(admission.node, "https://one.example");
      await byOperator.announce(admission.node, "https://two.example");
      expect(await nodeRegistry.urlOf(admission.node)).to.equal("https://two.example");
    });

    it("takes 256 bytes and not one more", async () => {
      const { nodeRegistry, wallets, admission } = await loadFixture(admittedNodeFixture);
      const byOperator = nodeRegistry.connect(wallets.operator);
      await byOperator.announce(admission.node, "a".repeat(256));
      await expect(byOperator.announce(admission.node, "a".repeat(257)))
        .to.be.revertedWithCustomError(nodeRegistry, "UrlTooLong")
        .withArgs(257);
    });
  });

  describe("retire", () => {
    it("ends the node for good", async () => {
      const { nodeRegistry, wallets, admission, makeAdmission, signAdmission } = await loadFixture(admittedNodeFixture);
      const byOperator = nodeRegistry.connect(wallets.operator);
      await expect(byOperator.retire(admission.node)).to.emit(nodeRegistry, "NodeRetired").withArgs(admission.node);
      expect(await nodeRegistry.isActive(admission.node)).to.equal(false);

      const renewal = await makeAdmission({ sequence: 2 });
      const { enclaveSignature, certificate } = await signAdmission(renewal);
      const attempts = [
        () => nodeRegistry.admit(renewal, enclaveSignature, certificate),
        () => byOperator.announce(admission.node, "https://one.example"),
        () => byOperator.retire(admission.node),
        () => nodeRegistry.revoke(admission.node, 1, "0x"),
      ];
      for (const attempt of attempts) {
        await expect(attempt())
          .to.be.revertedWithCustomError(nodeRegistry, "NodeIsFinal")
          .withArgs(admission.node, status.retired);
      }
    });
  });

  for (const [name, act] of [
    ["announce", (registry, node) => registry.announce(node, "https://one.example")],
    ["retire", (registry, node) => registry.retire(node)],
  ] as const satisfies [string, (registry: Registry, node: string) => Promise<unknown>][]) {
    describe(`${name}, by others`, () => {
      it("is refused to anyone but the operator", async () => {
        const { nodeRegistry, wallets, admission } = await loadFixture(admittedNodeFixture);
        await expect(act(nodeRegistry.connect(wallets.stranger), admission.node))
          .to.be.revertedWithCustomError(nodeRegistry, "OnlyOperator")
          .withArgs(wallets.stranger.address, wallets.operator.address);
      });

      it("is refused for a node that was never admitted", async () => {
        const { nodeRegistry, wallets } = await loadFixture(networkFixture);
        await expect(act(nodeRegistry, wallets.node.address))
          .to.be.revertedWithCustomError(nodeRegistry, "UnknownNode")
          .withArgs(wallets.node.address);
      });
    });
  }

  describe("revoke", () => {
    it("ends the node for good under a certificate", async () => {
      const { nodeRegistry, wallets, admission, domainOf, makeAdmission, signAdmission } =
        await loadFixture(admittedNodeFixture);
      const certificate = await certify(wallets.verifiers, revocationOf(admission.node, 1n, domainOf("nodeRegistry")));
      await expect(nodeRegistry.connect(wallets.stranger).revoke(admission.node, 1, certificate))
        .to.emit(nodeRegistry, "NodeRevoked")
        .withArgs(admission.node);
      expect(await nodeRegistry.isActive(admission.node)).to.equal(false);

      const renewal = await makeAdmission({ sequence: 2 });
      const signed = await signAdmission(renewal);
      for (const attempt of [
        () => nodeRegistry.admit(renewal, signed.enclaveSignature, signed.certificate),
        () => nodeRegistry.revoke(admission.node, 1, certificate),
      ]) {
        await expect(attempt())
          .to.be.revertedWithCustomError(nodeRegistry, "NodeIsFinal")
          .withArgs(admission.node, status.revoked);
      }
    });

    it("refuses a certificate for another node", async () => {
      const { nodeRegistry, verifierSet, wallets, admission, domainOf } = await loadFixture(admittedNodeFixture);
      const foreign = revocationOf(wallets.stranger.address, 1n, domainOf("nodeRegistry"));
      const certificate = await certify(wallets.verifiers, foreign);
      await expect(nodeRegistry.revoke(admission.node, 1, certificate)).to.be.revert(ethers);
      expect(await verifierSet.currentEpoch()).to.equal(1);
      expect(await nodeRegistry.isActive(admission.node)).to.equal(true);
    });

    it("is refused for a node that was never admitted", async () => {
      const { nodeRegistry, wallets } = await loadFixture(networkFixture);
      await expect(nodeRegistry.revoke(wallets.node.address, 1, "0x"))
        .to.be.revertedWithCustomError(nodeRegistry, "UnknownNode")
        .withArgs(wallets.node.address);
    });
  });

  describe("setMeasurement", () => {
    it("opens, moves and ends a window", async () => {
      const { nodeRegistry, govern } = await loadFixture(networkFixture);
      const to = await nodeRegistry.getAddress();
      for (const [from, until] of [
        [100, 200],
        [150, 300],
        [150, 150],
      ] as const) {
        await govern({
          to,
          data: nodeRegistry.interface.encodeFunctionData("setMeasurement", [id("image"), from, until]),
        });
        expect(await nodeRegistry.measurements(id("image"))).to.deep.equal([from, until]);
      }
    });

    const refused = [
      {
        what: "a window that ends before it begins",
        measurement: id("image"),
        from: 2,
        until: 1,
        error: "WindowReversed",
      },
      { what: "the zero measurement", measurement: ZeroHash, from: 0, until: 1, error: "ZeroMeasurement" },
    ];
    for (const { what, measurement, from, until, error } of refused) {
      it(`refuses ${what}`, async () => {
        const { nodeRegistry, govern } = await loadFixture(networkFixture);
        const data = nodeRegistry.interface.encodeFunctionData("setMeasurement", [measurement, from, until]);
        await expect(govern({ to: await nodeRegistry.getAddress(), data })).to.be.revertedWithCustomError(
          nodeRegistry,
          error,
        );
      });
    }

    it("is refused to everyone but governance", async () => {
      const { nodeRegistry, wallets } = await loadFixture(networkFixture);
      for (const wallet of [wallets.deployer, wallets.governor, wallets.stranger]) {
        await expect(nodeRegistry.connect(wallet).setMeasurement(id("image"), 0, 1))
          .to.be.revertedWithCustomError(nodeRegistry, "AccessManagedUnauthorized")
          .withArgs(wallet.address);
      }
    });
  });

  describe("setAdmissionsPaused", () => {
    it("stops admit and nothing else, until it is taken back", async () => {
      const { nodeRegistry, wallets, govern, admission, makeAdmission, signAdmission } =
        await loadFixture(admittedNodeFixture);
      const to = await nodeRegistry.getAddress();
      const pause = (paused: boolean) => nodeRegistry.interface.encodeFunctionData("setAdmissionsPaused", [paused]);
      await govern({ to, data: pause(true) });
      const renewal = await makeAdmission({ sequence: 2 });
      const { enclaveSignature, certificate } = await signAdmission(renewal);
      await expect(nodeRegistry.admit(renewal, enclaveSignature, certificate)).to.be.revertedWithCustomError(
        nodeRegistry,
        "AdmissionsPaused",
      );
      expect(await nodeRegistry.isActive(admission.node)).to.equal(true);
      await nodeRegistry.connect(wallets.operator).announce(admission.node, "https://one.example");

      await govern({ to, data: pause(false) });
      await nodeRegistry.admit(renewal, enclaveSignature, certificate);
      await govern({ to, data: pause(true) });
      await nodeRegistry.connect(wallets.operator).retire(admission.node);
      expect((await nodeRegistry.nodes(admission.node)).status).to.equal(status.retired);
    });

    it("is refused to everyone but governance", async () => {
      const { nodeRegistry, wallets } = await loadFixture(networkFixture);
      for (const wallet of [wallets.deployer, wallets.governor, wallets.stranger]) {
        await expect(nodeRegistry.connect(wallet).setAdmissionsPaused(true))
          .to.be.revertedWithCustomError(nodeRegistry, "AccessManagedUnauthorized")
          .withArgs(wallet.address);
      }
    });
  });

  describe("signed types", () => {
    it("are hashed as packages/protocol does", async () => {
      const { nodeRegistry, makeAdmission, domainOf, wallets } = await loadFixture(networkFixture);
      const admission = await makeAdmission({ leaseUntil: 2 ** 40 - 1, sequence: 2 ** 32 - 1, epoch: 2n ** 64n - 1n });
      const { domain, types, value } = admissionTypedData(admission, domainOf("nodeRegistry"));
      expect(await nodeRegistry.admissionHashOf(admission)).to.equal(TypedDataEncoder.hash(domain, types, value));
      const revocation = revocationOf(wallets.node.address, 7n, domainOf("nodeRegistry"));
      expect(await nodeRegistry.revocationHashOf(wallets.node.address, 7)).to.equal(
        TypedDataEncoder.hash(revocation.domain, revocation.types, revocation.value),
      );
    });
  });
});
