import { expect } from "chai";
import { id, Wallet } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import type { Task } from "#protocol/task.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { ask, askUntil } from "./ask.ts";
import { type FacilitatorNetwork, startFacilitatorNetwork } from "./facilitatorNetwork.ts";

describe("the end of a task at the facilitator", function () {
  this.timeout(60_000);
  let net: FacilitatorNetwork;
  let facilitator: Daemon;
  /** Ahead of the machine's clock, as the chain's is once it was moved. */
  let aheadSeconds = 0;

  before(async () => {
    net = await startFacilitatorNetwork();
    facilitator = await start();
  });
  after(async () => {
    await facilitator.stop();
    await net.close();
  });

  const start = async (): Promise<Daemon> =>
    startFacilitator(await net.environment("settlements"), {
      clock: () => Math.floor(Date.now() / 1000) + aheadSeconds,
    });
  const at = (task: Task): string => `${facilitator.url}/tasks/${net.taskIdIn(task)}`;
  const certificate = (task: Task, body: unknown) => ask(`${at(task)}/certificate`, body);
  const refusal = (task: Task, body: unknown) => ask(`${at(task)}/refusals`, body);
  const stateOf = (task: Task, state: string) => askUntil(at(task), ({ body }) => body.state === state);
  const purposes = (answer: Awaited<ReturnType<typeof ask>>) =>
    answer.body.transactions?.map(({ purpose, status }) => `${purpose} ${status}`);

  async function released(): Promise<{ payer: Wallet; task: Task }> {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    const { status } = await ask(`${facilitator.url}/tasks`, await net.payFor(payer, task));
    expect(status).to.equal(200);
    return { payer, task };
  }

  async function moveTime(seconds: number): Promise<void> {
    aheadSeconds += seconds;
    await net.provider.send("evm_increaseTime", [seconds]);
    await net.provider.send("evm_mine", []);
  }

  it("settles under a certificate, and answers with the transaction that does it", async () => {
    const { payer, task } = await released();
    const message = await net.certify(net.makeResult(task), net.verifiers);
    const { status, body } = await certificate(task, message);
    expect(status, JSON.stringify(body)).to.equal(200);

    const settled = await stateOf(task, "settled");
    expect(purposes(settled)).to.deep.equal(["open included", "settle included"]);
    expect(body.transaction).to.equal(settled.body.transactions?.[1]?.hash);
    expect(settled.body.verdicts).to.have.length(3);
    expect(await net.opg.balanceOf(payer.address)).to.equal(600n);
    expect((await certificate(task, message)).body).to.deep.equal({ ...body, state: "settled" });
  });

  it("settles once for ten of the same certificate at the same time", async () => {
    const { payer, task } = await released();
    const message = await net.certify(net.makeResult(task));
    const answers = await Promise.all(Array.from({ length: 10 }, () => certificate(task, message)));
    expect(answers.map(({ status }) => status)).to.deep.equal(Array(10).fill(200));
    expect(purposes(await stateOf(task, "settled"))).to.deep.equal(["open included", "settle included"]);
    expect(await net.opg.balanceOf(payer.address)).to.equal(600n);
  });

  it("keeps and sends nothing for a certificate that Settlement would refuse", async () => {
    const { task } = await released();
    const { task: other } = await released();
    const [first, second] = net.verifiers;
    const stranger = new Wallet(id("a stranger who verifies"));
    const result = net.makeResult(task);
    const good = await net.certify(result);
    const doubled = await Promise.all([first, first].map((verifier) => net.signVerdict(result, verifier, true)));
    const cases: [string, unknown, string][] = [
      ["one verdict", await net.certify(result, [first]), "certificate_incomplete"],
      ["one verifier twice", { ...good, verdicts: doubled }, "certificate_incomplete"],
      ["a stranger's verdict", await net.certify(result, [first, stranger]), "certificate_incomplete"],
      [
        "a refusal among two",
        { ...good, verdicts: [good.verdicts[0], await net.signVerdict(result, second, false)] },
        "certificate_incomplete",
      ],
      [
        "another epoch",
        { ...good, verdicts: await Promise.all([first, second].map((v) => net.signVerdict(result, v, true, 2))) },
        "certificate_incomplete",
      ],
      [
        "verdicts about another result",
        { ...good, verdicts: (await net.certify({ ...result, amount: 401n })).verdicts },
        "certificate_incomplete",
      ],
      ["a result of another task", await net.certify(net.makeResult(other)), "invalid_body"],
      [
        "a result after the deadline",
        await net.certify({ ...result, completedAt: task.deadline + 1 }),
        "certificate_incomplete",
      ],
      ["a charge above the ceiling", await net.certify({ ...result, amount: 1001n }), "charge_exceeds_ceiling"],
      [
        "a result that another node signed",
        { ...good, nodeSignature: await net.signResult(result, stranger) },
        "invalid_signature",
      ],
    ];
    for (const [what, message, code] of cases) {
      expect((await certificate(task, message)).body.error?.code, what).to.equal(code);
    }
    expect((await ask(at(task))).body).to.deep.include({ state: "released", verdicts: [] });
    expect((await certificate(task, good)).status).to.equal(200);
  });

  it("settles what was released before the node's measurement ended, and releases nothing more", async () => {
    const { payer, task } = await released();
    await net.setMeasurement({ from: 0, until: 0 }, moveTime);
    const newcomer = await net.makePayer(1000n);
    const { status, body } = await ask(
      `${facilitator.url}/tasks`,
      await net.payFor(newcomer, await net.makeTask(newcomer)),
    );
    expect([status, body.error?.code]).to.deep.equal([503, "no_active_node"]);
    expect(await net.opg.balanceOf(newcomer.address)).to.equal(1000n);
    expect((await certificate(task, await net.certify(net.makeResult(task)))).status).to.equal(200);
    await stateOf(task, "settled");
    expect(await net.opg.balanceOf(payer.address)).to.equal(600n);
    await net.setMeasurement({ from: 0, until: 2 ** 40 - 1 }, moveTime);
    await released();
  });

  it("counts agreeing verdicts and shows a refusal beside them", async () => {
    const { task } = await released();
    const result = net.makeResult(task);
    const good = await net.certify(result);
    const verdicts = [...good.verdicts, await net.signVerdict(result, net.verifiers[2], false)];
    expect((await certificate(task, { ...good, verdicts })).status).to.equal(200);
    const { body } = await stateOf(task, "settled");
    const said = new Map(body.verdicts?.map(({ verifier, agrees }) => [verifier, agrees]));
    expect(net.verifiers.map(({ address }) => said.get(address))).to.deep.equal([true, true, false]);
  });

  it("refunds at once when enough verifiers refuse the same result", async () => {
    const { payer, task } = await released();
    const [first, second, third] = net.verifiers;
    const result = net.makeResult(task);
    const answer = await refusal(task, await net.refuse(result, first));
    expect(answer.body).to.deep.include({ state: "released" });
    await refusal(task, await net.refuse(result, first));
    await refusal(task, await net.refuse({ ...result, amount: 399n }, second));
    expect((await ask(at(task))).body.state).to.equal("released");

    await refusal(task, await net.refuse(result, third));
    const refunded = await stateOf(task, "refunded");
    expect(purposes(refunded)).to.deep.equal(["open included", "refuse included"]);
    expect(await net.opg.balanceOf(payer.address)).to.equal(1000n);
    expect((await certificate(task, await net.certify(result))).body.error?.code).to.equal("task_lost");
  });

  it("takes no refusal that is not a member's, or not about this task", async () => {
    const { task } = await released();
    const { task: other } = await released();
    const result = net.makeResult(task);
    const [first, second] = net.verifiers;
    const good = await net.refuse(result, first);
    const cases: [unknown, string][] = [
      [await net.refuse(result, new Wallet(id("a stranger who verifies"))), "invalid_signature"],
      [await net.refuse(net.makeResult(other), first), "invalid_body"],
      [{ ...good, verdict: await net.signVerdict(result, first, true) }, "invalid_body"],
      [{ ...good, verdict: { ...good.verdict, verifier: second.address } }, "invalid_signature"],
      [{ ...good, verdict: { ...good.verdict, reason: "completed_late" } }, "invalid_signature"],
    ];
    for (const [message, code] of cases) expect((await refusal(task, message)).body.error?.code).to.equal(code);
    expect((await ask(at(task))).body.verdicts).to.deep.equal([]);
  });

  it("knows nothing of a task that was not paid here", async () => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    const answers = [
      await ask(at(task)),
      await certificate(task, await net.certify(net.makeResult(task))),
      await refusal(task, await net.refuse(net.makeResult(task), net.verifiers[0])),
      await ask(`${facilitator.url}/tasks/nonsense`),
    ];
    for (const { status, body } of answers) expect([status, body.error?.code]).to.deep.equal([404, "unknown_task"]);
  });

  it("refunds a released task when nobody can settle it any more, and not before", async () => {
    const { payer, task } = await released();
    const { settleWindowSeconds } = net.network.parameters;
    await moveTime(120);
    const late = await net.certify(net.makeResult(task));
    expect((await ask(at(task))).body.state).to.equal("released");
    await moveTime(settleWindowSeconds + 5);
    const refunded = await stateOf(task, "refunded");
    expect(purposes(refunded)).to.deep.equal(["open included", "refund included"]);
    expect(await net.opg.balanceOf(payer.address)).to.equal(1000n);
    expect((await certificate(task, late)).body.error?.code).to.equal("task_lost");
  });

  it("records what somebody else settled and refunded while it was away", async () => {
    const { task: settled } = await released();
    const { task: refunded } = await released();
    await facilitator.stop();
    const result = net.makeResult(settled);
    const message = await net.certify(result);
    await net.settle(settled, result);
    await moveTime(120 + net.network.parameters.settleWindowSeconds + 5);
    await (await net.escrow.refund(refunded)).wait();

    facilitator = await start();
    expect(purposes(await stateOf(settled, "settled"))).to.deep.equal(["open included"]);
    expect(purposes(await stateOf(refunded, "refunded"))).to.deep.equal(["open included"]);
    const answer = await certificate(settled, message);
    expect(answer.body).to.deep.equal({ taskId: net.taskIdIn(settled), state: "settled", transaction: null });
  });

  it("takes certificates of the set before, while its grace period lasts", async () => {
    const { task } = await released();
    const { task: late } = await released();
    await net.handOver(3);
    expect((await certificate(task, await net.certify(net.makeResult(task)))).status).to.equal(200);
    await stateOf(task, "settled");

    const [first, second, third] = net.verifiers;
    const result = net.makeResult(late);
    const good = await net.certify(result);
    const inNewEpoch = (signers: readonly Wallet[]) =>
      Promise.all(signers.map((verifier) => net.signVerdict(result, verifier, true, 2)));
    const tooFew = await certificate(late, { ...good, verdicts: await inNewEpoch([first, second]) });
    expect(tooFew.body.error).to.include({ code: "certificate_incomplete", have: 2, need: 3 });
    const enough = await certificate(late, { ...good, verdicts: await inNewEpoch([first, second, third]) });
    expect(enough.status, JSON.stringify(enough.body)).to.equal(200);
    await stateOf(late, "settled");
  });
});
