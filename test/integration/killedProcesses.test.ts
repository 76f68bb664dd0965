import { expect } from "chai";
import type { BaseWallet } from "ethers";
import { Wallet } from "ethers";
import { submitCall } from "#chain/submitCall.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { domainIn } from "#protocol/network.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { taskIdOf } from "#protocol/task.ts";
import { tensorsToJson } from "#protocol/tensors.ts";
import type { DaemonName } from "#scripts/network/daemons.ts";
import { facilitatorWrites } from "#store/facilitatorStore.ts";
import { verifierWrites } from "#store/verifierStore.ts";
import { chainDeaths } from "#test/facilitator/merchant/chainDeaths.ts";
import { passSeconds, pendingTransactions, until } from "./chainControl.ts";
import { handOver, verifierWallets } from "./handOver.ts";
import { agreesAgain, allDaemons, type Journey, startJourney } from "./journeyNetwork.ts";
import { diedAtOnce } from "./programs/diedAtOnce.ts";
import { askOffer, payWith, signedHeader } from "./rawPayment.ts";
import { stockClient, stockHeader } from "./stockClient.ts";

const GWEI = 10n ** 9n;

/** Where the facilitator dies while a request is paid, run and settled: each time anew, so each write is its process's first. */
const deathsWhilePaying = [
  "claim",
  "recordTransaction",
  "recordInclusion",
  "recordRelease",
  "recordCertificate",
  "recordTransaction",
  "recordInclusion",
  "recordEnding",
] as const;
/** The same for a payment by `upto`, for which nothing is locked. */
const deathsWhileCapturing = ["claim", "recordRelease", "recordTransaction", "recordEnding"] as const;
const deathsWhileRefusing = ["recordRefusal", "recordRefused"] as const;
const otherDeaths = ["recordRejection", "recordExpiry"] as const;
const verifierDeathsWhilePaying = ["recordCommitment", "recordVerdict", "recordRightCommitments"] as const;
const otherVerifierDeaths = ["recordRefusalDelivery", "recordSignedCounts"] as const;

/** A facilitator that is killed eight times starts as often, and a busy machine takes seconds for each. */
const MANY_DEATHS_MS = 180_000;

describe("kill -9 right after a durable write", function () {
  this.timeout(240_000);
  let journey: Journey;

  /** Replaces a daemon by one that dies after a write. */
  const startDying = async (name: DaemonName, death: string) => {
    await journey.local.daemons.get(name)?.kill();
    const program = `test/integration/programs/dying${name === "facilitator" ? "Facilitator" : "Verifier"}.ts`;
    return journey.local.start(name, { program, env: { OPG_TEST_DIES_AFTER: death } });
  };
  /**
   * Replaces a daemon by one that dies after a write, that one by the next, and the last one by the usual daemon, while
   * something is done that needs it.
   */
  const dyingAfterEach = async <Done>(name: DaemonName, deaths: readonly string[], act: () => Promise<Done>) => {
    let dying = await startDying(name, deaths[0] ?? "");
    const acting = act();
    for (const death of deaths.slice(1)) {
      await dying.ended;
      const next = await startDying(name, death).catch(diedAtOnce);
      dying = next ?? dying;
    }
    await dying.ended;
    await journey.local.start(name);
    return await acting;
  };
  /** Sends the same payment until it is answered, as a client does whom nobody answers. */
  const insistOn = async (body: unknown, header: string): Promise<unknown> => {
    let answer = await payWith(journey, body, header);
    await until(async () => {
      if (answer.status !== 200) answer = await payWith(journey, body, header);
      return answer.status === 200;
    }, MANY_DEATHS_MS);
    return answer.content;
  };
  /** An offer, its payment header and its task. A node whose results were refused is not offered for some seconds. */
  const payment = async (payer: BaseWallet = journey.payer) => {
    let offer = await askOffer(journey, { payer: payer.address }).catch(() => undefined);
    await until(async () => {
      offer ??= await askOffer(journey, { payer: payer.address }).catch(() => undefined);
      return offer !== undefined;
    });
    if (!offer) throw new Error("no node is offered");
    const taskId = taskIdOf(offer.task, domainIn(journey.local.network, "taskEscrow"));
    return { offer, taskId, header: await signedHeader(offer, payer) };
  };

  before(async () => {
    journey = await startJourney({
      daemons: allDaemons.filter((name) => name !== "node-2"),
      env: { gateway: { OPG_TASK_SECONDS: String(MANY_DEATHS_MS / 1000) } },
    });
  });
  after(() => journey.stop());

  it("is tried after every durable write that there is", () => {
    const facilitator = new Set<string>([...deathsWhilePaying, ...deathsWhileRefusing, ...otherDeaths]);
    expect([...facilitator, ...chainDeaths]).to.have.members([...facilitatorWrites]);
    const verifier = new Set<string>([...verifierDeathsWhilePaying, ...otherVerifierDeaths]);
    expect([...verifier]).to.have.members([...verifierWrites]);
  });

  it("leaves the facilitator able to finish one task that it is killed over again and again", async () => {
    const { opg, payer } = journey;
    const balance = await opg.balanceOf(payer.address);
    const { offer, taskId, header } = await payment();
    await dyingAfterEach("facilitator", deathsWhilePaying, () => insistOn(offer.body, header));
    const trail = await journey.ended(taskId);
    expect(trail.state).to.equal("settled");
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["open", "settle"]);
    expect(await opg.balanceOf(payer.address)).to.equal(balance - BigInt(trail.charge));
  });

  it("leaves the facilitator able to collect what was not locked, killed as often", async () => {
    const { opg, payer, local, versionId, inputs } = journey;
    const balance = await opg.balanceOf(payer.address);
    const body = { model: versionId, inputs: tensorsToJson(inputs) };
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const client = stockClient(local.network, payer);
    const header = await stockHeader(client, `${local.network.gateway}/v1/infer`, init);
    const content = await dyingAfterEach("facilitator", deathsWhileCapturing, () => insistOn(body, header));
    const trail = await journey.ended(inferAnswerJson.parse(content).taskId);
    expect(trail.state).to.equal("settled");
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["capture"]);
    expect(await opg.balanceOf(payer.address)).to.equal(balance - BigInt(trail.charge));
  });

  it("of one verifier does not hold up the others, and it takes part again", async () => {
    const { client, versionId, inputs, local } = journey;
    for (const death of verifierDeathsWhilePaying) {
      const dying = await startDying("verifier-3", death);
      const { taskId } = await client.infer({ model: versionId, inputs });
      await dying.ended;
      expect((await journey.ended(taskId)).state, death).to.equal("settled");
    }
    await local.start("verifier-3");
    await agreesAgain(journey, "verifier-3");
  });

  it("of the gateway loses nothing: the same payment gets its answer from the next gateway", async () => {
    const { local } = journey;
    const { offer, taskId, header } = await payment();
    const first = payWith(journey, offer.body, header).catch((error: unknown) => error);
    await until(async () => (await journey.taskEscrow.lockOf(taskId)).status !== "none");
    await local.daemons.get("gateway")?.kill();
    expect(await first).to.be.instanceOf(Error);
    await local.start("gateway");
    expect((await payWith(journey, offer.body, header)).status).to.equal(200);
    expect((await journey.ended(taskId)).state).to.equal("settled");
  });

  it("leaves the facilitator able to reject: recordRejection", async () => {
    const { opg, provider, taskEscrow, local, mining } = journey;
    const poor = Wallet.createRandom(provider);
    const faucet = localAccount("faucet").connect(provider);
    await submitCall(faucet, { to: poor.address, data: "0x", value: 10n ** 18n });
    await submitCall(faucet, opg.populateTransfer(poor.address, 10n ** 18n));
    await submitCall(poor, opg.populateApprovePermit2());
    const dying = await startDying("facilitator", "recordRejection");
    const { offer, taskId, header } = await payment(poor);
    await mining.stopMining();
    const answering = payWith(journey, offer.body, header);
    await until(async () => (await pendingTransactions(provider)) === 1);
    await poor.sendTransaction({
      ...opg.populateTransfer(faucet.address, 10n ** 18n),
      maxPriorityFeePerGas: 500n * GWEI,
      maxFeePerGas: 1_000n * GWEI,
      gasLimit: 100_000n,
    });
    await mining.goOnMining();
    await dying.ended;
    await local.start("facilitator");
    expect((await answering).status).to.be.greaterThanOrEqual(400);
    expect((await taskEscrow.lockOf(taskId)).status).to.equal("none");
    expect((await payWith(journey, offer.body, header)).status).to.equal(402);
  });

  /** A payment for a node that alters what it computes, while `name` dies. */
  const refusedPayment = async (name: DaemonName, death: string): Promise<void> => {
    const { opg, payer, local } = journey;
    const balance = await opg.balanceOf(payer.address);
    const dying = await startDying(name, death);
    const { offer, taskId, header } = await payment();
    const answering = payWith(journey, offer.body, header);
    await dying.ended;
    await local.start(name);
    expect((await answering).status).to.equal(502);
    const trail = await journey.ended(taskId);
    expect(trail.state).to.equal("refunded");
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["open", "refuse"]);
    expect(await opg.balanceOf(payer.address)).to.equal(balance);
  };

  it("goes on with a node that alters its results", async () => {
    const offered = () => payment().then(({ offer }) => offer.task.node);
    const honest = await offered();
    await journey.local.daemons.get("node-1")?.kill();
    await journey.local.start("node-1", { program: "scripts/demonstration/dishonestNode.ts" });
    // The gateway may go on offering the node that is gone for as long as it keeps its list.
    await until(async () => (await offered().catch(() => honest)) !== honest);
  });

  for (const death of deathsWhileRefusing) {
    it(`leaves the facilitator able to refund: ${death}`, () => refusedPayment("facilitator", death));
  }

  it("leaves a verifier's refusal delivered: recordRefusalDelivery", () =>
    refusedPayment("verifier-3", "recordRefusalDelivery"));

  it("leaves the facilitator able to refund what is overdue: recordExpiry", async () => {
    const { provider, taskEscrow, opg, payer, local } = journey;
    const balance = await opg.balanceOf(payer.address);
    const { offer, taskId, header } = await payment();
    for (const name of ["verifier-1", "verifier-2", "verifier-3"] as const) await local.daemons.get(name)?.kill();
    expect((await payWith(journey, offer.body, header)).status).to.be.greaterThanOrEqual(500);
    const dying = await startDying("facilitator", "recordExpiry");
    const late = offer.task.deadline + local.network.parameters.settleWindowSeconds + 1;
    await provider.send("evm_setNextBlockTimestamp", [late]);
    await dying.ended;
    await local.start("facilitator");
    await until(async () => (await taskEscrow.lockOf(taskId)).status === "closed");
    expect((await journey.ended(taskId)).state).to.equal("refunded");
    expect(await opg.balanceOf(payer.address)).to.equal(balance);
    await Promise.all([local.start("verifier-1"), local.start("verifier-2"), local.start("verifier-3")]);
  });

  it("leaves the verifiers able to divide an ended epoch's pool: recordSignedCounts", async () => {
    const { settlement, verifierSet, local, taskEscrow } = journey;
    const members = verifierWallets.map(({ address }) => address);
    const epoch = await verifierSet.currentEpoch();
    const dying = await startDying("verifier-1", "recordSignedCounts");
    await handOver(journey, members, 2);
    await passSeconds(journey.provider, (await verifierSet.graceSeconds()) + 1);
    await dying.ended;
    await local.start("verifier-1");
    await until(async () => (await settlement.poolOf(epoch)).settledTasks === 0n);
    for (const member of members) expect((await taskEscrow.earningsOf(member)) > 0n).to.equal(true);
  });

  it("leaves in the contract only what pools and earnings account for", async () => {
    const { opg, local, settlement, verifierSet, taskEscrow } = journey;
    const pool = await settlement.poolOf(await verifierSet.currentEpoch());
    const accounts = [localAccount("treasury"), localAccount("operator1"), ...verifierWallets];
    const earned = await Promise.all(accounts.map(({ address }) => taskEscrow.earningsOf(address)));
    const owed = earned.reduce((sum, amount) => sum + amount, pool.verifierAmount + pool.treasuryAmount);
    expect(await opg.balanceOf(local.network.contracts.taskEscrow)).to.equal(owed);
  });
});
