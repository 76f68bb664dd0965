import { expect } from "chai";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { freePort } from "#scripts/network/freePort.ts";
import { type HttpServer, startHttpServer } from "#service/httpServer.ts";
import { certify } from "#test/contracts/fixture.ts";
import { TURN_SECONDS } from "#verifier/closingDuty.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { verifierFixture, type VerifierFixture } from "./verifierFixture.ts";
import { certifyTask, settleTask, type TestVerifier } from "./witnessedTask.ts";

describe("closing an epoch", () => {
  let fixture: VerifierFixture;
  /** Ascending by address, as the set has its members. */
  let verifiers: TestVerifier[];
  let servers: HttpServer[];

  let ports: number[];
  let snapshot: Awaited<ReturnType<VerifierFixture["connection"]["networkHelpers"]["takeSnapshot"]>>;

  before(async function () {
    this.timeout(120_000);
    fixture = await verifierFixture();
    snapshot = await fixture.connection.networkHelpers.takeSnapshot();
    ports = [await freePort(), await freePort(), await freePort()];
  });
  beforeEach(async () => {
    await snapshot.restore();
    fixture.time.now = await fixture.now();
    const addresses = fixture.network.verifiers.map(({ address }) => address);
    const network = {
      verifiers: addresses.map((address, index) => ({ address, url: `http://127.0.0.1:${ports[index]}` })),
    };
    verifiers = [];
    servers = [];
    for (const index of [0, 1, 2] as const) {
      const verifier = await fixture.start(index, await emptyDatabase(), { network });
      servers.push(await startHttpServer(verifier.app, { host: "127.0.0.1", port: ports[index] ?? 0 }));
      verifiers.push(verifier);
    }
    verifiers.sort((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1));
  });
  afterEach(() => Promise.all(servers.map((server) => server.close(0))));
  after(() => fixture.stop());

  /** A paid task that these verifiers checked and that all were shown. */
  async function runTask(taking: readonly TestVerifier[], shownTo = verifiers): Promise<void> {
    const task = await certifyTask(fixture, taking);
    await settleTask(fixture, task);
    for (const { post } of shownTo) await post(`/tasks/${task.taskId}/certificate`, task.body);
  }

  /** The same verifiers begin the next epoch, and the time of grace of the last one passes. */
  async function endEpoch(): Promise<void> {
    const { verifierSet, wallets, domainOf, parameters, connection } = fixture;
    const members = verifiers.map(({ address }) => address);
    const set = await verifierSet.setHash(members, 2);
    const [networkId, epoch, now] = await Promise.all([
      verifierSet.networkId(),
      verifierSet.currentEpoch(),
      fixture.now(),
    ]);
    const validUntil = now + 60;
    const value = { networkId, epoch, previousSet: set, nextSet: set, validUntil };
    const domain = verifierSetDomain(domainOf("verifierSet"));
    const signatures = await certify(wallets.verifiers.slice(0, 2), { domain, types: typesOf("Handover"), value });
    await verifierSet.connect(wallets.stranger).handover(members, 2, validUntil, signatures);
    await connection.networkHelpers.time.increase(parameters.graceSeconds + 1);
    fixture.time.now = await fixture.now();
  }

  /** The counts under which epoch 1 was closed, one entry per closing. */
  async function closedCounts(): Promise<bigint[][]> {
    const { settlement } = fixture;
    const closed = await settlement.queryFilter(settlement.filters.EpochClosed(1n));
    return closed.map(({ args }) => [...args.counts]);
  }

  const addresses = (): string[] => verifiers.map(({ address }) => address);
  const proposal = (counts: number[]) => ({ verifiers: addresses(), counts });

  it("pays each verifier for how often it was right, and the pool is closed once", async () => {
    await runTask(verifiers);
    await runTask(verifiers.slice(0, 2));
    await endEpoch();
    const { verifierAmount } = await fixture.settlement.pools(1);
    for (const { closing } of verifiers) await closing.closeDue();
    expect(await closedCounts()).to.deep.equal([[2n, 2n, 1n]]);
    const earnings = await Promise.all(addresses().map((address) => fixture.taskEscrow.earnings(address)));
    expect(earnings).to.deep.equal([2n, 2n, 1n].map((count) => (verifierAmount * count) / 6n));
  });

  it("leaves it to one member at a time, and to the next after a while", async () => {
    await runTask(verifiers);
    await endEpoch();
    // Epoch 1 begins with the second member; the other two leave it alone.
    await verifiers[0]?.closing.closeDue();
    await verifiers[2]?.closing.closeDue();
    expect(await closedCounts()).to.deep.equal([]);
    fixture.time.now += TURN_SECONDS;
    await verifiers[2]?.closing.closeDue();
    expect(await closedCounts()).to.have.length(1);
  });

  it("waits for the time of grace, and closes no epoch that earned nothing", async () => {
    await runTask(verifiers);
    const { post } = verifiers[0] as TestVerifier;
    const early = await post("/epochs/1/counts", proposal([1, 1, 1]));
    expect(early.body).to.have.nested.property("error.code", "counts_refused");
    await verifiers[1]?.closing.closeDue();
    await endEpoch();
    await verifiers[1]?.closing.closeDue();
    await endEpoch();
    fixture.time.now += TURN_SECONDS;
    for (const { closing } of verifiers) await closing.closeDue();
    const closed = await fixture.settlement.queryFilter(fixture.settlement.filters.EpochClosed());
    expect(closed.map(({ args }) => args.epoch)).to.deep.equal([1n]);
  });

  it("signs no counts but its own, for whoever asks: nobody can have a share understated", async () => {
    await runTask(verifiers);
    await runTask(verifiers.slice(0, 2));
    await endEpoch();
    const [asked] = verifiers as [TestVerifier, ...TestVerifier[]];
    const sign = (counts: number[], members = addresses()) =>
      asked.post("/epochs/1/counts", { verifiers: members, counts });
    for (const counts of [
      [1, 2, 1],
      [3, 2, 1],
      [2, 2, 2],
      [2, 3, 1],
      [2, 2, 0],
      [2, 2],
    ]) {
      expect((await sign(counts)).body, counts.join()).to.have.nested.property("error.code", "counts_refused");
    }
    const strange = [...addresses().slice(0, 2), fixture.wallets.stranger.address];
    expect((await sign([2, 2, 1], strange)).status).to.equal(409);
    expect((await sign([2, 2, 1])).status).to.equal(200);
    expect((await sign([2, 2, 0])).status).to.equal(409);
    expect((await sign([2, 2, 1])).status).to.equal(200);
  });

  it("closes an epoch though one member was not shown the certificates", async () => {
    await runTask(verifiers, verifiers.slice(1));
    await endEpoch();
    const [first, second] = verifiers as [TestVerifier, TestVerifier, TestVerifier];
    expect((await first.post("/epochs/1/counts", proposal([1, 1, 1]))).status).to.equal(409);
    await second.closing.closeDue();
    expect(await closedCounts()).to.deep.equal([[1n, 1n, 1n]]);
  });

  it("counts nothing that was never paid, and what it was not shown for nobody", async () => {
    const unpaid = await certifyTask(fixture, verifiers);
    for (const { post } of verifiers) await post(`/tasks/${unpaid.taskId}/certificate`, unpaid.body);
    await runTask(verifiers, verifiers.slice(0, 2));
    await endEpoch();
    await verifiers[1]?.closing.closeDue();
    expect(await closedCounts()).to.deep.equal([[1n, 1n, 1n]]);
  });
});
