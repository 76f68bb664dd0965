import { expect } from "chai";
import { network } from "hardhat";
import { submitCall } from "#chain/submitCall.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { certify, networkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;

describe("VerifierSetAdapter", () => {
  it("reads the set in force, and the one after a handover", async () => {
    const fixture = await loadFixture(networkFixture);
    const { addresses, provider, parameters, wallets, deploymentBlock, domainOf, verifierSet } = fixture;
    const set = new VerifierSetAdapter(addresses.verifierSet, provider);
    const first = await set.current();
    const members = wallets.verifiers.map(({ address }) => address);
    expect(first.members.toSorted()).to.deep.equal(members.toSorted());
    expect([first.epoch, first.threshold, first.size, first.endedAt]).to.deep.equal([1n, 2, 3, 0]);
    expect(await set.graceSeconds()).to.equal(parameters.graceSeconds);

    const next = [wallets.stranger.address];
    const handover = {
      networkId: await set.networkId(),
      epoch: 1n,
      previousSet: await verifierSet.setHash(first.members, 2),
      nextSet: await verifierSet.setHash(next, 1),
      validUntil: (await fixture.now()) + 60,
    };
    const typedData = {
      domain: verifierSetDomain(domainOf("verifierSet")),
      types: typesOf("Handover"),
      value: handover,
    };
    const signatures = await certify(wallets.verifiers, typedData);
    await submitCall(wallets.stranger, set.populateHandover(next, 1, handover.validUntil, signatures));

    expect(await set.currentEpoch()).to.equal(2n);
    const { epoch, members: nextMembers, threshold } = await set.current();
    expect([epoch, nextMembers, threshold]).to.deep.equal([2n, next, 1]);
    expect((await set.epoch(1n)).endedAt).to.equal((await set.epoch(2n)).beganAt);
    expect([await set.isMember(1n, next[0]!), await set.isMember(2n, next[0]!)]).to.deep.equal([false, true]);
    const began = await set.epochsBegan({ fromBlock: deploymentBlock });
    expect(began.map((event) => [event.epoch, event.members, event.threshold])).to.deep.equal([
      [1n, first.members, 2],
      [2n, next, 1],
    ]);
  });
});
