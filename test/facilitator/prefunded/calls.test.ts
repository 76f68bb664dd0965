import { expect } from "chai";
import { id, verifyTypedData, Wallet } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import { domainIn } from "#protocol/network.ts";
import { releaseTypedData, type Task } from "#protocol/task.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { ask, askUntil } from "#test/facilitator/ask.ts";
import { startChainProxy } from "#test/facilitator/chainProxy.ts";
import { booksOf } from "#test/store/prefundedCalls.ts";
import { type CallPayment, type PrefundedNetwork, startPrefundedNetwork } from "./prefundedNetwork.ts";

describe("a prefunded call at the facilitator", function () {
  this.timeout(60_000);
  let net: PrefundedNetwork;
  let proxy: Awaited<ReturnType<typeof startChainProxy>>;
  let facilitator: Daemon;
  let store: FacilitatorStore;
  let nonce = 1n;

  before(async () => {
    net = await startPrefundedNetwork();
    proxy = await startChainProxy(net.network.rpcUrl);
    const environment = { ...(await net.environment("calls")), OPG_RPC_URL: proxy.url };
    facilitator = await startFacilitator(environment, {
      clock: net.clock,
      openStore: async (url, logger) => (store = await openFacilitatorStore(url, logger)),
    });
  });
  after(async () => {
    await facilitator.stop();
    await proxy.close();
    await net.close();
  });

  const pay = (body: unknown) => ask(`${facilitator.url}/tasks`, body);
  const makeTask = (payer: Wallet, changes: Partial<Task> = {}) => net.makeTask(payer, { nonce: nonce++, ...changes });
  const call = async (payer: Wallet, payment: CallPayment = { cap: 10_000n }, changes: Partial<Task> = {}) => {
    const task = await makeTask(payer, changes);
    return { task, ...(await pay(await net.payFromAccount(payer, task, payment))) };
  };
  const released = async (payer: Wallet, payment?: CallPayment, changes?: Partial<Task>): Promise<Task> => {
    const { task, status, body } = await call(payer, payment, changes);
    expect(status, JSON.stringify(body)).to.equal(200);
    return task;
  };
  const refused = async (payer: Wallet, payment?: CallPayment) => (await call(payer, payment)).body.error;
  const taskUrl = (task: Task): string => `${facilitator.url}/tasks/${net.taskIdIn(task)}`;
  const books = ({ address }: Wallet) => booksOf(store, address);

  it("is released by a signature over the signed task, without a transaction", async () => {
    const payer = await net.makeAccount(5000n);
    const { task, status, body } = await call(payer);
    expect(status, JSON.stringify(body)).to.equal(200);
    const taskId = net.taskIdIn(task);
    expect(body).to.deep.include({ taskId, transactions: [] });
    const { releasedAt = 0, signature = "", facilitator: signer } = body.release ?? {};
    const release = { taskId, paymentDigest: taskId, releasedAt };
    const { domain, types, value } = releaseTypedData(release, domainIn(net.network, "taskEscrow"));
    expect(verifyTypedData(domain, types, value, signature)).to.equal(signer);
    const record = (await ask(taskUrl(task))).body;
    expect(record).to.deep.include({ state: "released", transactions: [] });
    expect(await books(payer)).to.deep.equal({ charged: 0n, reserved: 1000n, cap: 10_000n });
  });

  it("is not released to a node that takes no tasks, and reserves nothing", async () => {
    const payer = await net.makeAccount(5000n);
    const { status, body } = await call(payer, { cap: 10_000n }, { node: payer.address });
    expect([status, body.error?.code]).to.deep.equal([503, "no_active_node"]);
    await released(payer, { cap: 10_000n }, { maxAmount: 5000n });
  });

  it("gets one release, however often the same is sent, in time or later", async () => {
    const payer = await net.makeAccount(5000n);
    const task = await makeTask(payer);
    const payment = await net.payFromAccount(payer, task, { cap: 10_000n });
    const answers = await Promise.all(Array.from({ length: 20 }, () => pay(payment)));
    expect(new Set(answers.map(({ body }) => body.release?.signature)).size).to.equal(1);
    expect(await books(payer)).to.deep.include({ reserved: 1000n });
    const other = await net.payFromAccount(payer, { ...task, request: id("another") });
    expect((await pay(other)).body.error).to.deep.include({ code: "task_nonce_used", taskId: net.taskIdIn(task) });
    await (await net.as(payer).initiateWithdraw(net.facilitator, 5000n)).wait();
    expect((await pay(payment)).body).to.deep.equal(answers[0]?.body);
  });

  it("is refused above the cap, and told which voucher to send", async () => {
    const payer = await net.makeAccount(5000n);
    expect(await refused(payer, {})).to.deep.include({ code: "voucher_required", need: "1000", cap: "0" });
    await released(payer, { cap: 1500n });
    expect(await refused(payer, {})).to.deep.include({
      ...{ code: "voucher_required", need: "2000", cap: "1500", charged: "0", reserved: "1000" },
    });
    await released(payer, { cap: 2000n });
  });

  it("is refused beyond what the account holds, which a deposit mends at once", async () => {
    const payer = await net.makeAccount(1500n);
    await released(payer);
    expect(await refused(payer)).to.deep.include({
      ...{ code: "account_insufficient", need: "2000", balance: "1500", withdrawing: "0", reserved: "1000" },
    });
    await net.deposit(payer.address, 500n);
    await released(payer);
  });

  it("counts what is being withdrawn as gone, and as there again once that is taken back", async () => {
    const payer = await net.makeAccount(2000n);
    await released(payer);
    await (await net.as(payer).initiateWithdraw(net.facilitator, 500n)).wait();
    await net.passSeconds(1);
    expect(await refused(payer)).to.deep.include({ code: "account_insufficient", withdrawing: "500" });
    await (await net.as(payer).initiateWithdraw(net.facilitator, 0n)).wait();
    await released(payer);
  });

  it("is refused from an account that never was, or is at another facilitator", async () => {
    const payer = await net.makeAccount(0n);
    expect(await refused(payer)).to.deep.include({ code: "account_insufficient", balance: "0" });
    const elsewhere = Wallet.createRandom().address;
    await net.deposit(payer.address, 5000n, elsewhere);
    expect(await refused(payer)).to.deep.include({ code: "account_insufficient", balance: "0" });
    expect(await refused(payer, { cap: 1000n, facilitator: elsewhere })).to.deep.include({
      code: "task_facilitator_mismatch",
    });
  });

  it("is signed by the key that the account names, and by the one before only as long as it can be settled", async () => {
    const payer = await net.makeAccount(5000n);
    const key = new Wallet(id(`key of ${payer.address}`));
    expect(await refused(payer, { signer: key, cap: 5000n })).to.deep.include({
      ...{ code: "invalid_task_signature", authorizer: payer.address },
    });
    await released(payer);
    await (await net.as(payer).setAuthorizer(net.facilitator, key.address)).wait();
    await released(payer, { signer: key, cap: 5000n });
    // What was released under the replaced key can still be settled for a while.
    await released(payer, { cap: 6000n });
    const { withdrawDelaySeconds } = net.network.parameters;
    await net.passSeconds((3 * withdrawDelaySeconds) / 4);
    expect(await refused(payer)).to.deep.include({ code: "invalid_task_signature", authorizer: key.address });
    expect(await refused(payer, { signer: key, voucherSigner: payer, cap: 6000n })).to.deep.include({
      code: "voucher_invalid",
    });
    expect(await refused(payer, { signer: key })).to.deep.include({ code: "voucher_required", cap: "0" });
    await released(payer, { signer: key, cap: 5000n });
  });

  it("asks the chain nothing once the payer is known", async () => {
    const payer = await net.makeAccount(100_000n);
    await released(payer, { cap: 100_000n });
    await released(payer);
    const tasks = await Promise.all(Array.from({ length: 40 }, () => makeTask(payer)));
    const payments = await Promise.all(tasks.map((task) => net.payFromAccount(payer, task)));
    const isQuestion = ({ method }: { method: string }): boolean => method !== "eth_getBlockByNumber";
    const before = proxy.calls.filter(isQuestion).length;
    const blocks = await net.provider.getBlockNumber();
    const answers = await Promise.all(payments.map(pay));
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([200]));
    const passed = (await net.provider.getBlockNumber()) - blocks;
    const asked = proxy.calls.filter(isQuestion).length - before;
    // Whoever is followed is read once for each block, whether it calls or not, and so is a node that calls of it name.
    expect(asked).to.be.at.most(4 * (passed + 1));
  });

  describe("after it was computed", () => {
    it("is charged under its certificate, once, and needs no transaction of its own", async () => {
      const payer = await net.makeAccount(5000n);
      const task = await released(payer);
      const certificate = await net.certify(net.makeResult(task));
      const answers = await Promise.all([1, 2, 3].map(() => ask(`${taskUrl(task)}/certificate`, certificate)));
      for (const { status, body } of answers) {
        expect([status, body]).to.deep.equal([
          200,
          { taskId: net.taskIdIn(task), state: "certified", transaction: null },
        ]);
      }
      expect(await books(payer)).to.deep.include({ charged: 400n, reserved: 0n });
      expect((await ask(taskUrl(task))).body).to.deep.include({ state: "certified", transactions: [] });
    });

    it("is settled at once where it costs nothing, and says so to whoever asks for its proof", async () => {
      const payer = await net.makeAccount(5000n);
      const task = await released(payer);
      const certificate = await net.certify(net.makeResult(task, { amount: 0n }));
      expect((await ask(`${taskUrl(task)}/certificate`, certificate)).body).to.deep.include({ state: "settled" });
      expect(await books(payer)).to.deep.include({ charged: 0n, reserved: 0n });
      const { status, body } = await ask(`${taskUrl(task)}/proof`);
      expect([status, body.error?.code]).to.deep.equal([409, "nothing_charged"]);
    });

    it("is charged under no certificate that is not complete", async () => {
      const payer = await net.makeAccount(5000n);
      const task = await released(payer);
      const result = net.makeResult(task);
      const alone = await ask(`${taskUrl(task)}/certificate`, await net.certify(result, net.verifiers.slice(0, 1)));
      expect(alone.body.error?.code).to.equal("certificate_incomplete");
      const above = await ask(
        `${taskUrl(task)}/certificate`,
        await net.certify(net.makeResult(task, { amount: 1001n })),
      );
      expect(above.body.error?.code).to.equal("charge_exceeds_ceiling");
      expect(await books(payer)).to.deep.include({ charged: 0n, reserved: 1000n });
    });

    it("is charged nothing where a quorum refuses it", async () => {
      const payer = await net.makeAccount(5000n);
      const task = await released(payer);
      const result = net.makeResult(task);
      for (const verifier of net.verifiers.slice(0, 2)) {
        await ask(`${taskUrl(task)}/refusals`, await net.refuse(result, verifier));
      }
      expect((await ask(taskUrl(task))).body).to.deep.include({ state: "refunded", transactions: [] });
      expect(await books(payer)).to.deep.include({ charged: 0n, reserved: 0n });
      const late = await ask(`${taskUrl(task)}/certificate`, await net.certify(result));
      expect(late.body.error?.code).to.equal("result_refused");
    });

    it("is charged nothing where no certificate comes in time", async () => {
      const payer = await net.makeAccount(5000n);
      const task = await released(payer);
      await net.passSeconds(task.deadline - net.clock() + net.network.parameters.settleWindowSeconds + 1);
      await askUntil(taskUrl(task), ({ body }) => body.state === "refunded");
      expect(await books(payer)).to.deep.include({ charged: 0n, reserved: 0n });
      const late = await ask(`${taskUrl(task)}/certificate`, await net.certify(net.makeResult(task)));
      expect(late.body.error?.code).to.equal("task_lost");
    });
  });

  describe("while a certificate waits too long for its batch", () => {
    it("is not released", async () => {
      const payer = await net.makeAccount(5000n);
      const task = await released(payer);
      await ask(`${taskUrl(task)}/certificate`, await net.certify(net.makeResult(task)));
      await net.passSeconds(Math.floor(net.network.parameters.withdrawDelaySeconds / 4) + 1);
      const { status, body } = await call(payer);
      expect([status, body.error?.code]).to.deep.equal([503, "settlement_overdue"]);
    });
  });
});
