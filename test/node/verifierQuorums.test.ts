import { expect } from "chai";
import hre from "hardhat";
import { id } from "ethers";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import type { CheckedVerdict } from "#node/askVerifier.ts";
import { VerifierQuorums } from "#node/verifierQuorums.ts";
import { networkFixture } from "#test/contracts/fixture.ts";
import { rejection } from "#test/execution/rejection.ts";

function verdictOf(verifier: string, epoch: number): CheckedVerdict {
  const opening = { response: id("response"), salt: id("salt") };
  const verdict = { verifier, resultHash: id("result"), epoch, mode: 0, agrees: true, signature: "0x", opening };
  return {
    verdict,
    commitment: { verifier, taskId: id("task"), commitment: id("c"), committedAt: 1, signature: "0x" },
  };
}

describe("VerifierQuorums", () => {
  it("counts members of the verdict's epoch only", async () => {
    const { addresses, provider, wallets, parameters } = await networkFixture(await hre.network.create());
    const verifierSet = new VerifierSetAdapter(addresses.verifierSet, provider);
    const [member] = wallets.verifiers;
    for (const refreshed of [true, false]) {
      const quorums = new VerifierQuorums(verifierSet);
      if (refreshed) await quorums.refresh();
      const counted = await quorums.count(verdictOf(member.address, 1));
      expect(counted.threshold).to.equal(parameters.threshold);
      for (const [verifier, epoch] of [
        [wallets.stranger.address, 1],
        [member.address, 2],
        [member.address, 0],
      ] as const) {
        expect((await rejection(quorums.count(verdictOf(verifier, epoch)))).code).to.equal("invalid_signature");
      }
    }
  });
});
