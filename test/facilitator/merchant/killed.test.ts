import { join } from "node:path";
import { expect } from "chai";
import { startFacilitator } from "#facilitator/start.ts";
import { startProcess } from "#scripts/network/startProcess.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { paymentWrites } from "#store/facilitatorPayments.ts";
import { merchantAt, type MerchantNetwork, startMerchantNetwork } from "./merchantNetwork.ts";

/** Where the facilitator dies while a merchant's payment is verified and settled. */
const deathsWhileSettling = [
  "claimPayment",
  "recordRepetition",
  "recordSettling",
  "recordTransaction",
  "recordInclusion",
  "recordPaymentEnd",
] as const;

describe("kill -9 right after a durable write of a merchant's payment", function () {
  this.timeout(60_000);
  let net: MerchantNetwork;
  let survivor: Daemon | undefined;

  before(async () => {
    net = await startMerchantNetwork();
  });
  afterEach(async () => {
    await survivor?.stop();
    survivor = undefined;
  });
  after(() => net.close());

  const startDying = async (environment: Record<string, string>, write: string) =>
    startProcess({
      name: "dying facilitator",
      program: "test/integration/programs/dyingFacilitator.ts",
      env: { ...environment, OPG_LOG_LEVEL: "info", OPG_TEST_DIES_AFTER: write },
      logFile: join(net.folder, "dying.log"),
    });

  it("is tried after every durable write that there is", () => {
    const outbox = ["recordTransaction", "recordInclusion"];
    expect([...deathsWhileSettling, "recordLapse"]).to.have.members([...paymentWrites, ...outbox]);
  });

  for (const write of deathsWhileSettling) {
    it(`leaves the facilitator able to settle it once: ${write}`, async () => {
      const environment = await net.environment(`killed_${write.toLowerCase()}`);
      const payer = await net.makePayer(5000n);
      const body = await net.pay(payer, { identifier: "purchase-0000000001" });
      const dying = await startDying(environment, write);
      const server = merchantAt(dying.url);
      const first = await server
        .verify(body)
        .then(() => (write === "recordRepetition" ? server.verify(body) : undefined))
        .then(() => server.settle(body, 400n))
        .catch((error: unknown) => error);
      await dying.ended;
      expect(first).to.be.instanceOf(Error);

      survivor = await startFacilitator(environment);
      const answer = await merchantAt(survivor.url).settle(body, 400n);
      expect(answer, JSON.stringify(answer)).to.deep.include({ success: true, amount: "400" });
      expect(await merchantAt(survivor.url).settle(body, 400n)).to.deep.equal(answer);
      expect(await net.opg.balanceOf(payer.address)).to.equal(4600n);
    });
  }

  it("leaves what lapsed lapsed: recordLapse", async () => {
    const environment = await net.environment("killed_recordlapse");
    const payer = await net.makePayer(1000n);
    const dying = await startDying(environment, "recordLapse");
    const body = await net.pay(payer, { deadline: Math.floor(Date.now() / 1000) + 60 });
    expect((await merchantAt(dying.url).verify(body)).isValid).to.equal(true);
    await net.provider.send("evm_increaseTime", [120]);
    await dying.ended;

    survivor = await startFacilitator(environment);
    const server = merchantAt(survivor.url);
    expect((await server.settle(body)).errorReason).to.equal("permit2_deadline_expired");
    expect((await server.verify(await net.pay(payer))).isValid).to.equal(true);
  });
});
