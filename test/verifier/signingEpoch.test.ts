import { expect } from "chai";
import type { Wallet } from "ethers";
import hre from "hardhat";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import type { OpgError } from "#protocol/errors.ts";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { certify, networkFixture, type NetworkFixture } from "#test/contracts/fixture.ts";
import { signingEpoch } from "#verifier/signingEpoch.ts";

describe("signingEpoch", () => {
  let fixture: NetworkFixture;
  let verifierSet: VerifierSetAdapter;
  let staying: Wallet;
  let leaving: Wallet;

  before(async function () {
    this.timeout(120_000);
    fixture = await networkFixture(await hre.network.create());
    const { wallets, provider, addresses } = fixture;
    verifierSet = new VerifierSetAdapter(addresses.verifierSet, provider);
    [staying, , leaving] = wallets.verifiers;
  });
  after(() => fixture.connection.close());

  /** The first two verifiers begin the next epoch without the third. */
  async function handOver(): Promise<void> {
    const { wallets, domainOf, now } = fixture;
    const { epoch, members } = await verifierSet.current();
    const remaining = members.filter((member) => member !== leaving.address);
    const validUntil = (await now()) + 60;
    const [networkId, previousSet, nextSet] = await Promise.all([
      fixture.verifierSet.networkId(),
      fixture.verifierSet.setHash(members, 2),
      fixture.verifierSet.setHash(remaining, 2),
    ]);
    const value = { networkId, epoch, previousSet, nextSet, validUntil };
    const domain = verifierSetDomain(domainOf("verifierSet"));
    const signatures = await certify(wallets.verifiers.slice(0, 2), { domain, types: typesOf("Handover"), value });
    await fixture.verifierSet.connect(wallets.stranger).handover(remaining, 2, validUntil, signatures);
  }

  async function refusal(verifier: string, now: number): Promise<OpgError> {
    return signingEpoch(verifierSet, verifier, now).then(
      (epoch) => expect.fail(`epoch ${epoch}`),
      (error: unknown) => error as OpgError,
    );
  }

  it("is the current epoch for a member, the one before for a former member in its time of grace", async () => {
    expect(await signingEpoch(verifierSet, leaving.address, await fixture.now())).to.equal(1n);
    await handOver();
    const endedAt = await fixture.now();
    const lastSecond = endedAt + fixture.parameters.graceSeconds;
    expect(await signingEpoch(verifierSet, staying.address, endedAt)).to.equal(2n);
    expect(await signingEpoch(verifierSet, leaving.address, lastSecond)).to.equal(1n);
    expect((await refusal(leaving.address, lastSecond + 1)).code).to.equal("certificate_incomplete");
    expect((await refusal(fixture.wallets.stranger.address, endedAt)).code).to.equal("certificate_incomplete");
  });
});
