import { expect } from "chai";
import { Contract, type Wallet } from "ethers";
import { PERMIT2 } from "#protocol/payment.ts";
import type { Task } from "#protocol/task.ts";
import { ask } from "./ask.ts";
import { startUptoNetwork, stepsOf, type UptoNetwork } from "./uptoNetwork.ts";

const elsewhere = "0x00000000000000000000000000000000000E15e0";

describe("a task without a lock whose charge cannot be captured", function () {
  this.timeout(60_000);
  let net: UptoNetwork;

  before(async () => {
    net = await startUptoNetwork();
  });
  after(() => net.close());

  const giveAway = async (payer: Wallet): Promise<void> => {
    await (await net.opg.connect(payer).transfer(elsewhere, await net.balanceOf(payer))).wait();
  };
  const burnNonces = async (payer: Wallet): Promise<void> => {
    const permit2 = new Contract(PERMIT2, ["function invalidateUnorderedNonces(uint256, uint256)"], payer);
    const burned = (await permit2.getFunction("invalidateUnorderedNonces")(0, 2n ** 256n - 1n)) as {
      wait(): Promise<unknown>;
    };
    await burned.wait();
  };
  const lossCount = async (reason: string): Promise<number> =>
    Number(new RegExp(`opg_losses_total{reason="${reason}"} (\\d+)`).exec(await net.metrics())?.[1] ?? 0);

  it("is a loss as soon as the nonce is burned, recorded once, with who has lost it", async () => {
    const { payer, task } = await net.released(3000n);
    await burnNonces(payer);
    await net.certifyTask(task);
    const ended = await net.stateOf(task, "refunded");
    expect(stepsOf(ended)).to.deep.equal([]);
    expect(await lossCount("nonce_burned")).to.equal(1);
    const { payout } = net.makeResult(task);
    const share = (role: string, to: string): string =>
      `role="${role}",to="${to}",token="${net.network.contracts.opg}"`;
    expect(await net.metrics()).to.match(new RegExp(`opg_losses_atomic_total{${share("node", payout)}} \\d+`));

    const next = { ...task, nonce: 256n };
    expect(stepsOf(await net.pay(payer, next))).to.deep.equal(["open included"]);
  });

  it("is no loss where the certificate came too late", async () => {
    const { payer, task } = await net.released(3000n);
    await net.passWindow();
    expect((await net.certifyTask(task)).body.error?.code).to.equal("task_lost");
    await net.stateOf(task, "refunded");
    expect(stepsOf(await net.pay(payer, await net.makeTask(payer, { nonce: 1n })))).to.deep.equal([]);
  });

  it("is captured after all when the money comes back in time", async () => {
    const { payer, task } = await net.released();
    await giveAway(payer);
    await net.certifyTask(task);
    expect((await ask(net.at(task))).body.state).to.equal("certified");
    await (await net.opg.transfer(payer.address, 400n)).wait();
    await net.stateOf(task, "settled");
    expect(await net.balanceOf(payer)).to.equal(0n);
  });

  it("is a loss when the window ends: money moved, allowance lowered, wallet with code", async () => {
    const cases: [string, (payer: Wallet) => Promise<unknown>][] = [
      ["balance_moved", giveAway],
      ["allowance_lowered", async (payer) => (await net.opg.connect(payer).approve(PERMIT2, 399n)).wait()],
      ["payer_has_code", (payer) => net.provider.send("anvil_setCode", [payer.address, "0x00"])],
    ];
    const tasks: Task[] = [];
    for (const [, spoil] of cases) {
      const { payer, task } = await net.released();
      await spoil(payer);
      await net.certifyTask(task);
      tasks.push(task);
    }
    await net.passWindow();
    for (const task of tasks) await net.stateOf(task, "refunded");
    for (const [reason] of cases) expect(await lossCount(reason), reason).to.equal(1);
  });
});
