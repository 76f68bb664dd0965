import { expect } from "chai";
import { AbiCoder, id, keccak256 } from "ethers";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { certify } from "#test/contracts/fixture.ts";
import { ascending, ethers, loadMoney, mineAt, type Money, nextAt, walletOf } from "./moneyFixture.ts";

const outsider = walletOf("outsider");
const nextSet = ["next 1", "next 2", "next 3"].map(walletOf);

describe("VerifierSet over time", () => {
  describe("handover", () => {
    it("begins the next epoch under a certificate of the current set", async () => {
      const { verifierSet, wallets, handOver, now } = await loadMoney();
      await expect(handOver(nextSet)).to.emit(verifierSet, "EpochBegan").withArgs(2, ascending(nextSet), 2);
      expect(await verifierSet.currentEpoch()).to.equal(2n);
      expect(await verifierSet.members()).to.deep.equal(ascending(nextSet));
      expect((await verifierSet.epochs(1)).endedAt).to.equal(await now());
      expect((await verifierSet.epochs(2)).beganAt).to.equal(await now());
      expect(await verifierSet.isMember(1, wallets.verifiers[0].address)).to.equal(true);
      expect(await verifierSet.isMember(2, wallets.verifiers[0].address)).to.equal(false);
      expect(await verifierSet.isMember(2, nextSet[0]?.address ?? "")).to.equal(true);
      expect(await verifierSet.isMember(9, wallets.verifiers[0].address)).to.equal(false);
    });

    it("has expired a second after it was valid", async () => {
      const { verifierSet, signHandover, now } = await loadMoney();
      const validUntil = (await now()) + 60;
      const signatures = await signHandover(ascending(nextSet), 2, validUntil);
      const handover = () =>
        verifierSet.handover(ascending(nextSet), 2, validUntil, signatures, { gasLimit: 1_000_000 });
      await nextAt(validUntil + 1);
      await expect(handover()).to.be.revertedWithCustomError(verifierSet, "HandoverExpired").withArgs(validUntil);
    });

    it("is valid up to and including its last second", async () => {
      const { verifierSet, signHandover, now } = await loadMoney();
      const validUntil = (await now()) + 60;
      const signatures = await signHandover(ascending(nextSet), 2, validUntil);
      await nextAt(validUntil);
      await verifierSet.handover(ascending(nextSet), 2, validUntil, signatures);
    });

    it("cannot be replayed, also not by a set that returned", async () => {
      const { verifierSet, wallets, signHandover, handOver, now } = await loadMoney();
      const validUntil = (await now()) + 600;
      const signatures = await signHandover(ascending(nextSet), 2, validUntil);
      await verifierSet.handover(ascending(nextSet), 2, validUntil, signatures);
      await handOver(wallets.verifiers, nextSet);
      await expect(verifierSet.handover(ascending(nextSet), 2, validUntil, signatures)).to.be.revert(ethers);
      expect(await verifierSet.currentEpoch()).to.equal(3n);
    });

    it("takes no signature of the previous set, grace or not", async () => {
      const { wallets, verifierSet, handOver } = await loadMoney();
      await handOver(nextSet);
      await expect(handOver(wallets.verifiers, wallets.verifiers)).to.be.revertedWithCustomError(
        verifierSet,
        "NotAMember",
      );
    });

    it("checks the next set like the first", async () => {
      const { verifierSet, signHandover, now } = await loadMoney();
      const validUntil = (await now()) + 60;
      const members = ascending(nextSet);
      await expect(verifierSet.handover(members, 1, validUntil, await signHandover(members, 1, validUntil)))
        .to.be.revertedWithCustomError(verifierSet, "ThresholdOutOfBounds")
        .withArgs(1, 3);
    });

    it("takes no signatures for another chain, contract or network", async () => {
      const { verifierSet, wallets, chainId, addresses, now } = await loadMoney();
      const validUntil = (await now()) + 60;
      const members = ascending(nextSet);
      const value = {
        networkId: await verifierSet.networkId(),
        epoch: 1n,
        previousSet: await verifierSet.setHash(ascending(wallets.verifiers), 2),
        nextSet: await verifierSet.setHash(members, 2),
        validUntil,
      };
      const own = { chainId: BigInt(chainId), verifyingContract: addresses.verifierSet };
      const handOver = async (domain: typeof own, networkId: string) => {
        const message = {
          domain: verifierSetDomain(domain),
          types: typesOf("Handover"),
          value: { ...value, networkId },
        };
        return verifierSet.handover(members, 2, validUntil, await certify(wallets.verifiers, message));
      };
      for (const [domain, networkId] of [
        [{ ...own, chainId: own.chainId + 1n }, value.networkId],
        [{ ...own, verifyingContract: addresses.settlement }, value.networkId],
        [own, id("another network")],
      ] as const) {
        await expect(handOver(domain, networkId)).to.be.revert(ethers);
      }
      await handOver(own, value.networkId);
    });

    it("refuses a set other than the signed one", async () => {
      const { verifierSet, signHandover, now } = await loadMoney();
      const validUntil = (await now()) + 60;
      const signatures = await signHandover(ascending(nextSet), 2, validUntil);
      const others = ascending([...nextSet.slice(0, 2), outsider]);
      await expect(verifierSet.handover(others, 2, validUntil, signatures)).to.be.revert(ethers);
      await expect(verifierSet.handover(ascending(nextSet), 3, validUntil, signatures)).to.be.revert(ethers);
      await expect(verifierSet.handover(ascending(nextSet), 2, validUntil + 1, signatures)).to.be.revert(ethers);
    });
  });

  describe("scheduleInstallation, cancelInstallation and install", () => {
    const members = ascending(nextSet);
    const nextHash = keccak256(AbiCoder.defaultAbiCoder().encode(["address[]", "uint256"], [members, 2]));

    /** Has governance announce the next set; returns when it may be installed. */
    async function announce({ verifierSet, addresses, govern }: Money): Promise<number> {
      const data = verifierSet.interface.encodeFunctionData("scheduleInstallation", [members, 2]);
      await govern({ to: addresses.verifierSet, data });
      return Number(await verifierSet.installableAt(nextHash));
    }

    it("installs an announced set when the delay has passed, by anyone", async () => {
      const money = await loadMoney();
      const { verifierSet, wallets, parameters, now } = money;
      const installableAt = await announce(money);
      expect(installableAt).to.equal((await now()) + parameters.installDelaySeconds);
      const [log] = await verifierSet.queryFilter(verifierSet.filters.InstallationScheduled());
      expect([...(log?.args ?? [])]).to.deep.equal([nextHash, BigInt(installableAt)]);
      await nextAt(installableAt);
      await expect(verifierSet.connect(wallets.stranger).install(members, 2))
        .to.emit(verifierSet, "EpochBegan")
        .withArgs(2, members, 2);
      await expect(verifierSet.install(members, 2))
        .to.be.revertedWithCustomError(verifierSet, "NothingScheduled")
        .withArgs(nextHash);
    });

    it("does not install a second early", async () => {
      const money = await loadMoney();
      const installableAt = await announce(money);
      await nextAt(installableAt - 1);
      await expect(money.verifierSet.install(members, 2, { gasLimit: 1_000_000 }))
        .to.be.revertedWithCustomError(money.verifierSet, "InstallationTooEarly")
        .withArgs(installableAt);
    });

    it("installs nothing that was not announced", async () => {
      const { verifierSet } = await loadMoney();
      await expect(verifierSet.install(members, 2))
        .to.be.revertedWithCustomError(verifierSet, "NothingScheduled")
        .withArgs(nextHash);
    });

    it("forgets what governance took back", async () => {
      const money = await loadMoney();
      const { verifierSet, addresses, govern, now, parameters } = money;
      await announce(money);
      const data = verifierSet.interface.encodeFunctionData("cancelInstallation", [nextHash]);
      await govern({ to: addresses.verifierSet, data });
      expect(await verifierSet.queryFilter(verifierSet.filters.InstallationCancelled(nextHash))).to.have.length(1);
      await mineAt((await now()) + parameters.installDelaySeconds);
      await expect(verifierSet.install(members, 2)).to.be.revertedWithCustomError(verifierSet, "NothingScheduled");
      await expect(govern({ to: addresses.verifierSet, data })).to.be.revertedWithCustomError(
        verifierSet,
        "NothingScheduled",
      );
    });

    it("outlasts a handover, so that a set gone bad cannot stay by handing over to itself", async () => {
      const money = await loadMoney();
      const { verifierSet, wallets, handOver } = money;
      const installableAt = await announce(money);
      await handOver(wallets.verifiers);
      await mineAt(installableAt);
      await verifierSet.install(members, 2);
      expect(await verifierSet.currentEpoch()).to.equal(3n);
    });

    it("announces no set that could not begin", async () => {
      const { verifierSet, addresses, govern } = await loadMoney();
      const data = verifierSet.interface.encodeFunctionData("scheduleInstallation", [[], 0]);
      await expect(govern({ to: addresses.verifierSet, data })).to.be.revertedWithCustomError(verifierSet, "EmptySet");
    });
  });
});
