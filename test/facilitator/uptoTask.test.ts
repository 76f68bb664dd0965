import { expect } from "chai";
import { id } from "ethers";
import { admitNode } from "#scripts/network/admitNode.ts";
import { ask, askUntil } from "./ask.ts";
import { CAP, startUptoNetwork, stepsOf, type UptoNetwork } from "./uptoNetwork.ts";

describe("a task paid by x402's upto", function () {
  this.timeout(60_000);
  let net: UptoNetwork;

  before(async () => {
    net = await startUptoNetwork();
    // Another node that gateways may propose.
    await admitNode(net.network, net.provider, net.verifiers[0]);
  });
  after(() => net.close());

  describe("within the cap", () => {
    it("is released at once without a lock, and captured under a certificate", async () => {
      const { payer, task } = await net.released();
      expect(await net.balanceOf(payer)).to.equal(1000n);
      expect(await net.lockOf(task)).to.equal(0n);
      expect(await net.metrics()).to.include(
        `opg_exposure_outstanding_atomic{token="${net.network.contracts.opg}"} 1000`,
      );
      const { status, body } = await net.certifyTask(task);
      expect(status, JSON.stringify(body)).to.equal(200);
      const settled = await net.stateOf(task, "settled");
      expect(stepsOf(settled)).to.deep.equal(["capture included"]);
      expect(settled.body.transactions?.[0]?.hash).to.equal(body.transaction);
      expect(await net.balanceOf(payer)).to.equal(600n);
    });

    it("is captured for a charge of nothing, and of the whole ceiling", async () => {
      for (const amount of [0n, 1000n]) {
        const { payer, task } = await net.released();
        await net.certifyTask(task, amount);
        expect(stepsOf(await net.stateOf(task, "settled"))).to.deep.equal(["capture included"]);
        expect(await net.balanceOf(payer)).to.equal(1000n - amount);
      }
    });

    it("is refunded without a transaction when its result is refused", async () => {
      const { payer, task } = await net.released();
      const result = net.makeResult(task);
      for (const verifier of net.verifiers.slice(0, 2)) {
        await ask(`${net.at(task)}/refusals`, await net.refuse(result, verifier));
      }
      expect(stepsOf(await net.stateOf(task, "refunded"))).to.deep.equal([]);
      expect(await net.balanceOf(payer)).to.equal(1000n);
    });
  });

  describe("sent again", () => {
    it("is one task for fifty at the same time at two replicas, whatever nodes their gateways propose", async () => {
      const payer = await net.makePayer(1000n);
      const task = await net.makeTask(payer);
      const bodies = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          net.payUpto(payer, index % 3 === 0 ? task : { ...task, node: net.verifiers[0].address }),
        ),
      );
      const answers = await Promise.all(bodies.map((body, index) => net.send(body, index % 2)));
      expect(answers.map(({ status }) => status)).to.deep.equal(Array(50).fill(200));
      for (const { body } of answers) expect(body).to.deep.equal(answers[0]?.body);
    });

    it("is the first task, at another replica and with another node proposed", async () => {
      const { payer, task } = await net.released();
      const first = await net.pay(payer, task);
      const other = { ...task, node: net.verifiers[0].address };
      const again = await net.send(await net.payUpto(payer, other), 1);
      expect(again).to.deep.equal(first);
      expect(again.body.task?.node).to.equal(task.node);
    });

    it("is the first task also in another encoding of its signature", async () => {
      const { payer, task } = await net.released(2000n);
      const other = { ...task, node: net.verifiers[0].address };
      const compact = await net.pay(payer, other, { compact: true });
      expect(compact.status, JSON.stringify(compact.body)).to.equal(200);
      expect(compact.body.taskId).to.equal(net.taskIdIn(task));
    });

    it("pays for no other request", async () => {
      const { payer, task } = await net.released(2000n);
      for (const changes of [{ request: id("another request") }, { model: id("another version") }]) {
        const other = await net.pay(payer, { ...task, ...changes });
        expect(other.body.error?.code).to.equal("permit2_invalid_nonce");
        const compact = await net.pay(payer, { ...task, ...changes }, { compact: true });
        expect(compact.body.error?.code).to.equal("permit2_invalid_nonce");
      }
    });

    it("pays for nothing else of this payer's with the same nonce", async () => {
      const { payer, task } = await net.released(5000n);
      const other = await net.pay(payer, { ...task, maxAmount: 999n });
      expect(other.body.error?.code).to.equal("permit2_invalid_nonce");
      const native = await net.send(await net.payFor(payer, task));
      expect(native.body.error?.code).to.equal("permit2_invalid_nonce");
    });
  });

  describe("with a payment-identifier", () => {
    const identifier = "purchase-0123456789";

    it("is the first task for another authorization too, which stays unused", async () => {
      const payer = await net.makePayer(1000n);
      const task = await net.makeTask(payer);
      const first = await net.pay(payer, task, { identifier });
      const second = await net.send(await net.payUpto(payer, { ...task, nonce: 1n }, { identifier }), 1);
      expect(second, JSON.stringify(second.body)).to.deep.equal(first);
      await net.certifyTask(task);
      await net.stateOf(task, "settled");
      const unused = await net.pay(payer, { ...task, nonce: 1n, maxAmount: 600n });
      expect(unused.status, JSON.stringify(unused.body)).to.equal(200);
    });

    it("is another task for another payer", async () => {
      const [one, other] = [await net.makePayer(1000n), await net.makePayer(1000n)];
      const answers = [await net.pay(one, await net.makeTask(one), { identifier: `${identifier}-x` })];
      answers.push(await net.pay(other, await net.makeTask(other), { identifier: `${identifier}-x` }));
      expect(answers.map(({ status }) => status)).to.deep.equal([200, 200]);
      expect(answers[0]?.body.taskId).not.to.equal(answers[1]?.body.taskId);
    });

    it("is refused where the identifier is malformed", async () => {
      const payer = await net.makePayer(1000n);
      const { status, body } = await net.pay(payer, await net.makeTask(payer), { identifier: "short" });
      expect([status, body.error?.code]).to.deep.equal([400, "invalid_body"]);
    });
  });

  describe("above the cap", () => {
    it("is opened first, and what came before goes on without", async () => {
      const payer = await net.makePayer(5000n);
      const task = await net.makeTask(payer);
      const tasks = [0n, 1n, 2n].map((nonce) => ({ ...task, nonce }));
      const answers = await Promise.all(tasks.map((each) => net.pay(payer, each)));
      expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
      const opened = answers.map(stepsOf).filter((steps) => steps?.length === 1);
      expect(opened).to.deep.equal([["open included"]]);
      expect(await net.balanceOf(payer)).to.equal(4000n);
      for (const each of tasks) await net.certifyTask(each);
      for (const each of tasks) await net.stateOf(each, "settled");
      expect(await net.balanceOf(payer)).to.equal(5000n - 3n * 400n);
    });

    it("is refused where what is owed already leaves too little", async () => {
      const { payer, task } = await net.released(1500n);
      const second = await net.pay(payer, { ...task, nonce: 1n });
      expect([second.status, second.body.error?.code]).to.deep.equal([402, "permit2_insufficient_balance"]);
      const native = await net.send(await net.payFor(payer, { ...task, nonce: 2n }));
      expect(native.body.error?.code).to.equal("permit2_insufficient_balance");
    });
  });

  it("is opened first for a wallet with code (EIP-1271)", async () => {
    const payer = await net.makePayer(1000n);
    await net.provider.send("anvil_setCode", [payer.address, "0x631626ba7e60e01b60005260206000f3"]);
    const task = await net.makeTask(payer);
    const { status, body } = await net.pay(payer, task, { signature: "0x" });
    expect(status, JSON.stringify(body)).to.equal(200);
    expect(await net.lockOf(task)).to.equal(1n);
  });

  it("needs no gas of the payer's: an EIP-2612 permit is submitted for it", async () => {
    const payer = await net.makePoorPayer(1000n);
    const task = await net.makeTask(payer);
    expect((await net.pay(payer, task)).body.error?.code).to.equal("permit2_allowance_required");
    const answer = await net.pay(payer, task, { sponsored: true });
    expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
    expect(stepsOf(answer)).to.deep.equal(["approve included"]);
    await net.certifyTask(task);
    await net.stateOf(task, "settled");
    expect(await net.balanceOf(payer)).to.equal(600n);
  });

  it("is the same task after its deadline and a restart, and refunded without a transaction when nobody worked", async () => {
    const { payer, task } = await net.released();
    const first = await net.pay(payer, task);
    await net.passWindow();
    expect(stepsOf(await net.stateOf(task, "refunded"))).to.deep.equal([]);
    await net.restart();
    expect(await net.pay(payer, task)).to.deep.equal(first);
    expect(await net.metrics()).to.include(`opg_exposure_cap_atomic ${CAP}`);
  });

  it("is forgotten after the retention time once it has ended, and refused then as expired", async () => {
    const { payer, task } = await net.released();
    await net.certifyTask(task);
    await net.stateOf(task, "settled");
    await net.passWindow();
    const forgetting = await net.start({ OPG_RETENTION_SECONDS: "0" });
    await askUntil(net.at(task), ({ status }) => status === 404);
    await forgetting.stop();
    expect((await net.pay(payer, task)).body.error?.code).to.equal("permit2_deadline_expired");
  });
});
