import { expect } from "chai";
import { id, AbiCoder, concat, keccak256, type SigningKey, toBeHex, type Wallet, ZeroAddress } from "ethers";
import { ascending, ethers, loadMoney, mineAt, type Money, walletOf } from "./moneyFixture.ts";

const digest = id("a digest");
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const outsider = walletOf("outsider");

/** Wallets ascending by address. */
function sorted(wallets: readonly Wallet[]): Wallet[] {
  return [...wallets].sort((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1));
}

/** Signatures in the order given. */
function signaturesOf(...wallets: { signingKey: SigningKey }[]): string {
  return concat(wallets.map(({ signingKey }) => signingKey.sign(digest).serialized));
}

const nextSet = sorted(["next 1", "next 2", "next 3"].map(walletOf));

describe("VerifierSet", () => {
  describe("constructor", () => {
    const deploy = (members: string[], threshold: number) =>
      ethers.deployContract("VerifierSet", [members, threshold, 1, 1, ZeroAddress]);

    it("begins epoch 1 with the first set", async () => {
      const { verifierSet, wallets, parameters } = await loadMoney();
      const members = ascending(wallets.verifiers);
      expect(await verifierSet.currentEpoch()).to.equal(1n);
      expect(await verifierSet.members()).to.deep.equal(members);
      expect(await verifierSet.GRACE_SECONDS()).to.equal(parameters.graceSeconds);
      expect(await verifierSet.INSTALL_DELAY_SECONDS()).to.equal(parameters.installDelaySeconds);
      const { threshold, size, beganAt, endedAt } = await verifierSet.epochs(1);
      expect([threshold, size, endedAt]).to.deep.equal([2n, 3n, 0n]);
      expect(beganAt).to.be.greaterThan(0n);
    });

    it("refuses an empty set", async () => {
      const { verifierSet } = await loadMoney();
      await expect(deploy([], 0)).to.be.revertedWithCustomError(verifierSet, "EmptySet");
    });

    it("refuses thresholds of half the set or less, and above its size", async () => {
      const { verifierSet } = await loadMoney();
      const four = ascending(["1", "2", "3", "4"].map(walletOf));
      for (const threshold of [0, 2, 5]) {
        await expect(deploy(four, threshold))
          .to.be.revertedWithCustomError(verifierSet, "ThresholdOutOfBounds")
          .withArgs(threshold, 4);
      }
      for (const threshold of [3, 4]) await deploy(four, threshold);
    });

    it("refuses members that do not ascend strictly, and the zero address", async () => {
      const { verifierSet } = await loadMoney();
      const [low, high] = ascending(["1", "2"].map(walletOf)) as [string, string];
      for (const [previous, next] of [
        [high, low],
        [low, low],
      ] as const) {
        await expect(deploy([previous, next], 2))
          .to.be.revertedWithCustomError(verifierSet, "MembersNotAscending")
          .withArgs(previous, next);
      }
      await expect(deploy([ZeroAddress, low], 2))
        .to.be.revertedWithCustomError(verifierSet, "MembersNotAscending")
        .withArgs(ZeroAddress, ZeroAddress);
    });
  });

  describe("verify", () => {
    const sortedVerifiers = ({ wallets }: Money) => sorted(wallets.verifiers) as [Wallet, Wallet, Wallet];

    it("accepts any two of three, and all three", async () => {
      const money = await loadMoney();
      const [a, b, c] = sortedVerifiers(money);
      for (const signers of [
        [a, b],
        [a, c],
        [b, c],
        [a, b, c],
      ]) {
        await money.verifierSet.verify(digest, 1, signaturesOf(...signers));
      }
    });

    it("refuses fewer than the threshold", async () => {
      const money = await loadMoney();
      const [a] = sortedVerifiers(money);
      for (const [signatures, given] of [
        ["0x", 0],
        [signaturesOf(a), 1],
      ] as const) {
        await expect(money.verifierSet.verify(digest, 1, signatures))
          .to.be.revertedWithCustomError(money.verifierSet, "TooFewSignatures")
          .withArgs(given, 2);
      }
    });

    it("refuses a doubled signer", async () => {
      const money = await loadMoney();
      const [a] = sortedVerifiers(money);
      await expect(money.verifierSet.verify(digest, 1, signaturesOf(a, a)))
        .to.be.revertedWithCustomError(money.verifierSet, "SignersNotAscending")
        .withArgs(a.address, a.address);
    });

    it("refuses signers out of order", async () => {
      const money = await loadMoney();
      const [a, b] = sortedVerifiers(money);
      await expect(money.verifierSet.verify(digest, 1, signaturesOf(b, a)))
        .to.be.revertedWithCustomError(money.verifierSet, "SignersNotAscending")
        .withArgs(b.address, a.address);
    });

    it("refuses the whole for one signer who is no member, wherever that one stands", async () => {
      const money = await loadMoney();
      const foreigners = ["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8"].map(walletOf);
      for (const foreigner of foreigners) {
        const signers = sorted([...money.wallets.verifiers, foreigner]);
        await expect(money.verifierSet.verify(digest, 1, signaturesOf(...signers)))
          .to.be.revertedWithCustomError(money.verifierSet, "NotAMember")
          .withArgs(foreigner.address, 1);
      }
    });

    it("refuses signatures over another digest", async () => {
      const money = await loadMoney();
      await expect(money.verifierSet.verify(id("another"), 1, signaturesOf(...sortedVerifiers(money)))).to.be.revert(
        ethers,
      );
    });

    it("refuses the other, high half of s", async () => {
      const money = await loadMoney();
      const [a, b] = sortedVerifiers(money);
      const { r, s, v } = a.signingKey.sign(digest);
      const highS = toBeHex(CURVE_ORDER - BigInt(s), 32);
      const malleated = concat([r, highS, v === 27 ? "0x1c" : "0x1b"]);
      await expect(money.verifierSet.verify(digest, 1, concat([malleated, signaturesOf(b)])))
        .to.be.revertedWithCustomError(money.verifierSet, "ECDSAInvalidSignatureS")
        .withArgs(highS);
    });

    it("refuses compact signatures of 64 bytes and any other length", async () => {
      const money = await loadMoney();
      const [a, b] = sortedVerifiers(money);
      const compact = concat([a, b].map(({ signingKey }) => signingKey.sign(digest).compactSerialized));
      for (const [signatures, length] of [
        [compact, 128],
        [concat([signaturesOf(a, b), "0x00"]), 131],
      ] as const) {
        await expect(money.verifierSet.verify(digest, 1, signatures))
          .to.be.revertedWithCustomError(money.verifierSet, "MalformedSignatures")
          .withArgs(length);
      }
    });

    it("refuses bytes that are no signature", async () => {
      const money = await loadMoney();
      await expect(money.verifierSet.verify(digest, 1, new Uint8Array(130))).to.be.revertedWithCustomError(
        money.verifierSet,
        "ECDSAInvalidSignature",
      );
    });

    it("accepts the previous epoch until its grace has passed, to the second", async () => {
      const money = await loadMoney();
      const { verifierSet, parameters, handOver } = money;
      const signatures = signaturesOf(...sortedVerifiers(money));
      await handOver(nextSet);
      const endedAt = Number((await verifierSet.epochs(1)).endedAt);
      const lastSecond = endedAt + parameters.graceSeconds;
      await mineAt(lastSecond);
      await verifierSet.verify(digest, 1, signatures);
      await mineAt(lastSecond + 1);
      await expect(verifierSet.verify(digest, 1, signatures))
        .to.be.revertedWithCustomError(verifierSet, "EpochNotAccepted")
        .withArgs(1, 2);
    });

    it("accepts no epoch but the previous one in grace", async () => {
      const money = await loadMoney();
      const { verifierSet, handOver } = money;
      await handOver(nextSet);
      await handOver(sorted(["after 1", "after 2"].map(walletOf)), nextSet);
      await expect(verifierSet.verify(digest, 1, signaturesOf(...sortedVerifiers(money))))
        .to.be.revertedWithCustomError(verifierSet, "EpochNotAccepted")
        .withArgs(1, 3);
      await verifierSet.verify(digest, 2, signaturesOf(...nextSet));
    });

    it("knows no epoch that never was", async () => {
      const money = await loadMoney();
      for (const epoch of [0, 2]) {
        await expect(money.verifierSet.verify(digest, epoch, signaturesOf(...sortedVerifiers(money))))
          .to.be.revertedWithCustomError(money.verifierSet, "UnknownEpoch")
          .withArgs(epoch);
      }
    });

    it("does not let one epoch's members certify in another", async () => {
      const money = await loadMoney();
      await money.handOver(nextSet);
      const [a, b] = sortedVerifiers(money);
      await expect(money.verifierSet.verify(digest, 2, signaturesOf(a, b)))
        .to.be.revertedWithCustomError(money.verifierSet, "NotAMember")
        .withArgs(a.address, 2);
    });
  });

  describe("verifyWithout", () => {
    it("refuses the one about whom the certificate is", async () => {
      const { verifierSet, wallets } = await loadMoney();
      const [a, b, c] = sorted(wallets.verifiers) as [Wallet, Wallet, Wallet];
      await verifierSet.verifyWithout(outsider.address, digest, 1, signaturesOf(a, b, c));
      await verifierSet.verifyWithout(b.address, digest, 1, signaturesOf(a, c));
      await expect(verifierSet.verifyWithout(b.address, digest, 1, signaturesOf(a, b, c)))
        .to.be.revertedWithCustomError(verifierSet, "SignerExcluded")
        .withArgs(b.address);
    });
  });

  describe("verifyAt", () => {
    it("accepts the set of any past epoch, and only that set", async () => {
      const { verifierSet, wallets, parameters, handOver, now } = await loadMoney();
      await handOver(nextSet);
      await mineAt((await now()) + 10 * parameters.graceSeconds);
      await verifierSet.verifyAt(digest, 1, signaturesOf(...sorted(wallets.verifiers)));
      await expect(verifierSet.verifyAt(digest, 1, signaturesOf(...nextSet))).to.be.revertedWithCustomError(
        verifierSet,
        "NotAMember",
      );
    });

    it("knows no epoch that never was", async () => {
      const { verifierSet } = await loadMoney();
      await expect(verifierSet.verifyAt(digest, 7, "0x"))
        .to.be.revertedWithCustomError(verifierSet, "UnknownEpoch")
        .withArgs(7);
    });
  });

  describe("networkId and setHash", () => {
    it("are hashes of chain and contract, and of members and threshold", async () => {
      const { verifierSet, chainId, addresses } = await loadMoney();
      const coder = AbiCoder.defaultAbiCoder();
      expect(await verifierSet.networkId()).to.equal(
        keccak256(coder.encode(["uint256", "address"], [chainId, addresses.verifierSet])),
      );
      const members = ascending(nextSet);
      expect(await verifierSet.setHash(members, 2)).to.equal(
        keccak256(coder.encode(["address[]", "uint256"], [members, 2])),
      );
    });
  });
});
