import { expect } from "chai";
import { id, Wallet, ZeroAddress } from "ethers";
import { network } from "hardhat";
import { admissionTypedData } from "#protocol/admission.ts";
import { asObject, certify, networkFixture, sign } from "#test/contracts/fixture.ts";
import { expectGas, gasOf } from "#test/contracts/money/gasSnapshot.ts";
import { admittedNodeFixture } from "./admittedNodeFixture.ts";

const connection = await network.create();
const { ethers, networkHelpers } = connection;
const { loadFixture, time } = networkHelpers;

/** NodeRegistry.Status.Active */
const active = 1n;

describe("NodeRegistry", () => {
  describe("admit", () => {
    it("records the node as enclave and quorum signed it", async () => {
      const { nodeRegistry, admission, admitted } = await loadFixture(admittedNodeFixture);
      await expect(admitted)
        .to.emit(nodeRegistry, "NodeAdmitted")
        .withArgs(
          admission.node,
          admission.operator,
          admission.measurement,
          admission.payout,
          admission.tlsKeyHash,
          admission.hpkeKeyHash,
          admission.evidenceHash,
          admission.leaseUntil,
          1,
        );
      expect(asObject(await nodeRegistry.nodes(admission.node))).to.deep.equal({
        operator: admission.operator,
        leaseUntil: BigInt(admission.leaseUntil),
        sequence: 1n,
        status: active,
        payout: admission.payout,
        measurement: admission.measurement,
        admittedInBlock: BigInt(admitted.blockNumber!),
        tlsKeyHash: admission.tlsKeyHash,
      });
      expect(await nodeRegistry.isActive(admission.node)).to.equal(true);
    });

    it("costs at most 150,000 gas with three verifiers' signatures", async () => {
      const { admitted } = await loadFixture(admittedNodeFixture);
      expectGas("admit, first", await gasOf(Promise.resolve(admitted)), 150_000n);
    });

    it("renews the lease and takes a new HPKE key", async () => {
      const { nodeRegistry, makeAdmission, signAdmission, admission } = await loadFixture(admittedNodeFixture);
      const renewal = await makeAdmission({
        sequence: 2,
        leaseUntil: admission.leaseUntil + 60,
        hpkeKeyHash: id("next"),
      });
      const { enclaveSignature, certificate } = await signAdmission(renewal);
      const renewing = nodeRegistry.admit(renewal, enclaveSignature, certificate);
      expectGas("admit, renewal", await gasOf(renewing), 150_000n);
      const node = await nodeRegistry.nodes(admission.node);
      expect([node.sequence, node.leaseUntil]).to.deep.equal([2n, BigInt(renewal.leaseUntil)]);
      const block = Number(node.admittedInBlock);
      const [admitted] = await nodeRegistry.queryFilter(
        nodeRegistry.filters.NodeAdmitted(admission.node),
        block,
        block,
      );
      expect(admitted!.args.hpkeKeyHash).to.equal(id("next"));
    });

    const identityChanges = {
      operator: { operator: Wallet.createRandom().address },
      payout: { payout: Wallet.createRandom().address },
      "TLS key": { tlsKeyHash: id("another TLS key") },
    };
    for (const [field, change] of Object.entries(identityChanges)) {
      it(`refuses another ${field} for an admitted node, whoever signed it`, async () => {
        const { nodeRegistry, makeAdmission, signAdmission, admission } = await loadFixture(admittedNodeFixture);
        const changed = await makeAdmission({ sequence: 2, ...change });
        const { enclaveSignature, certificate } = await signAdmission(changed);
        await expect(nodeRegistry.admit(changed, enclaveSignature, certificate))
          .to.be.revertedWithCustomError(nodeRegistry, "IdentityChanged")
          .withArgs(admission.node);
      });
    }

    it("refuses another measurement for an admitted node, approved or not", async () => {
      const { nodeRegistry, makeAdmission, signAdmission, admission, govern } = await loadFixture(admittedNodeFixture);
      const measurement = id("another image");
      const call = nodeRegistry.interface.encodeFunctionData("setMeasurement", [measurement, 0, 2 ** 40 - 1]);
      await govern({ to: await nodeRegistry.getAddress(), data: call });
      const changed = await makeAdmission({ sequence: 2, measurement });
      const { enclaveSignature, certificate } = await signAdmission(changed);
      await expect(nodeRegistry.admit(changed, enclaveSignature, certificate))
        .to.be.revertedWithCustomError(nodeRegistry, "IdentityChanged")
        .withArgs(admission.node);
    });

    it("refuses an admission that was played before", async () => {
      const { nodeRegistry, signAdmission, admission } = await loadFixture(admittedNodeFixture);
      const { enclaveSignature, certificate } = await signAdmission(admission);
      await expect(nodeRegistry.admit(admission, enclaveSignature, certificate))
        .to.be.revertedWithCustomError(nodeRegistry, "SequenceNotNext")
        .withArgs(1, 2);
    });

    it("refuses a sequence that leaves one out", async () => {
      const { nodeRegistry, makeAdmission, signAdmission } = await loadFixture(networkFixture);
      const admission = await makeAdmission({ sequence: 2 });
      const { enclaveSignature, certificate } = await signAdmission(admission);
      await expect(nodeRegistry.admit(admission, enclaveSignature, certificate))
        .to.be.revertedWithCustomError(nodeRegistry, "SequenceNotNext")
        .withArgs(2, 1);
    });

    const foreignDomains = {
      "another chain": { chainId: 1n },
      "another registry": { verifyingContract: "0x00000000000000000000000000000000000000aa" },
    };
    for (const [where, change] of Object.entries(foreignDomains)) {
      it(`refuses signatures made for ${where}`, async () => {
        const { nodeRegistry, makeAdmission, signAdmission, wallets, domainOf } = await loadFixture(networkFixture);
        const admission = await makeAdmission();
        const foreign = admissionTypedData(admission, { ...domainOf("nodeRegistry"), ...change });
        const enclaveSignature = await sign(wallets.node, foreign);
        const own = await signAdmission(admission);
        await expect(nodeRegistry.admit(admission, enclaveSignature, own.certificate)).to.be.revertedWithCustomError(
          nodeRegistry,
          "NotSignedByEnclave",
        );
        const certificate = await certify(wallets.verifiers, foreign);
        await expect(nodeRegistry.admit(admission, own.enclaveSignature, certificate)).to.be.revert(ethers);
      });
    }

    it("refuses an enclave signature by another key", async () => {
      const { nodeRegistry, makeAdmission, signAdmission, wallets } = await loadFixture(networkFixture);
      const admission = await makeAdmission();
      const { enclaveSignature, certificate } = await signAdmission(admission, { enclave: wallets.operator });
      await expect(nodeRegistry.admit(admission, enclaveSignature, certificate))
        .to.be.revertedWithCustomError(nodeRegistry, "NotSignedByEnclave")
        .withArgs(wallets.operator.address, admission.node);
    });

    it("refuses the zero address as a node, whose signature nobody can make", async () => {
      const { nodeRegistry, makeAdmission, signAdmission } = await loadFixture(networkFixture);
      const admission = await makeAdmission({ node: ZeroAddress });
      const { certificate } = await signAdmission(admission);
      await expect(nodeRegistry.admit(admission, "0x", certificate))
        .to.be.revertedWithCustomError(nodeRegistry, "NotSignedByEnclave")
        .withArgs(ZeroAddress, ZeroAddress);
    });

    it("refuses fewer verifiers than the threshold", async () => {
      const { nodeRegistry, verifierSet, makeAdmission, signAdmission, wallets } = await loadFixture(networkFixture);
      const admission = await makeAdmission();
      const { enclaveSignature, certificate } = await signAdmission(admission, {
        signers: wallets.verifiers.slice(0, 1),
      });
      await expect(nodeRegistry.admit(admission, enclaveSignature, certificate))
        .to.be.revertedWithCustomError(verifierSet, "TooFewSignatures")
        .withArgs(1, 2);
    });

    for (const field of ["operator", "payout"] as const) {
      it(`refuses a node without ${field}`, async () => {
        const { nodeRegistry, makeAdmission, signAdmission } = await loadFixture(networkFixture);
        const admission = await makeAdmission({ [field]: ZeroAddress });
        const { enclaveSignature, certificate } = await signAdmission(admission);
        await expect(nodeRegistry.admit(admission, enclaveSignature, certificate)).to.be.revertedWithCustomError(
          nodeRegistry,
          "ZeroAddress",
        );
      });
    }

    it("takes a lease from one second to the longest, and no other", async () => {
      const { nodeRegistry, makeAdmission, signAdmission, parameters, now } = await loadFixture(networkFixture);
      const at = (await now()) + 100;
      const latest = at + parameters.maxLeaseSeconds;
      for (const leaseUntil of [at, latest + 1]) {
        const admission = await makeAdmission({ leaseUntil });
        const { enclaveSignature, certificate } = await signAdmission(admission);
        await time.setNextBlockTimestamp(at);
        await expect(nodeRegistry.admit.staticCall(admission, enclaveSignature, certificate, { blockTag: "pending" }))
          .to.be.revertedWithCustomError(nodeRegistry, "LeaseOutOfBounds")
          .withArgs(leaseUntil, latest);
      }
      for (const [index, leaseUntil] of [latest, at + 11].entries()) {
        const admission = await makeAdmission({ leaseUntil, sequence: index + 1 });
        const { enclaveSignature, certificate } = await signAdmission(admission);
        await time.setNextBlockTimestamp(at + 10 * index);
        await nodeRegistry.admit(admission, enclaveSignature, certificate);
      }
      expect((await nodeRegistry.nodes((await makeAdmission()).node)).leaseUntil).to.equal(at + 11);
    });

    it("refuses a measurement that is not approved, not yet or not any more", async () => {
      const { nodeRegistry, makeAdmission, signAdmission, govern, now } = await loadFixture(networkFixture);
      const measurement = id("an image");
      const from = (await now()) + 10_000;
      const window = nodeRegistry.interface.encodeFunctionData("setMeasurement", [measurement, from, from + 100]);
      const attempt = async (moment: number) => {
        await time.increaseTo(moment);
        const admission = await makeAdmission({ measurement });
        const { enclaveSignature, certificate } = await signAdmission(admission);
        return nodeRegistry.admit.staticCall(admission, enclaveSignature, certificate);
      };
      await expect(attempt((await now()) + 1))
        .to.be.revertedWithCustomError(nodeRegistry, "MeasurementNotApproved")
        .withArgs(measurement);
      await govern({ to: await nodeRegistry.getAddress(), data: window });
      await expect(attempt(from - 1)).to.be.revertedWithCustomError(nodeRegistry, "MeasurementNotApproved");
      await attempt(from);
      await attempt(from + 99);
      await expect(attempt(from + 100)).to.be.revertedWithCustomError(nodeRegistry, "MeasurementNotApproved");
    });
  });
});
