import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Wallet } from "ethers";
import { AccountsAdapter } from "#chain/accounts.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { startFacilitator } from "#facilitator/start.ts";
import type { Task } from "#protocol/task.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { createLogger } from "#service/logger.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { ask } from "#test/facilitator/ask.ts";
import { booksOf } from "#test/store/prefundedCalls.ts";
import { type CallPayment, type PrefundedNetwork, startPrefundedNetwork } from "./prefundedNetwork.ts";

/** Whose key the second facilitator has. */
const second = localAccount("operator2");

describe("one payer at two facilitators", function () {
  this.timeout(60_000);
  let net: PrefundedNetwork;
  let here: Daemon;
  let there: Daemon;
  let stores: FacilitatorStore[];
  let payer: Wallet;

  before(async () => {
    net = await startPrefundedNetwork();
    const [first] = net.network.facilitators;
    const listed = [...net.network.facilitators, { ...first, address: second.address }];
    const file = join(net.folder, "twoFacilitators.json");
    writeFileSync(file, JSON.stringify({ ...net.network, facilitators: listed }));
    stores = [];
    const start = async (name: string, changes: Record<string, string> = {}): Promise<Daemon> => {
      const environment = await net.environment(name);
      stores.push(await openFacilitatorStore(environment["DATABASE_URL"] ?? "", createLogger("test", "silent")));
      return startFacilitator({ ...environment, OPG_NETWORK: file, ...changes }, { clock: net.clock });
    };
    await register(second.address);
    here = await start("here");
    there = await start("there", { OPG_FACILITATOR_KEY: second.privateKey });
    payer = await net.makeAccount(5000n);
    await net.deposit(payer.address, 5000n, second.address);
  });
  after(async () => {
    for (const daemon of [here, there]) await daemon.stop();
    await Promise.all(stores.map((store) => store.close()));
    await net.close();
  });

  /** By governance, without its delay. */
  const register = async (facilitator: string): Promise<void> => {
    const { timelock, taskEscrow } = net.network.contracts;
    await net.provider.send("anvil_impersonateAccount", [timelock]);
    await net.provider.send("anvil_setBalance", [timelock, "0xde0b6b3a7640000"]);
    const data = net.escrow.interface.encodeFunctionData("setFacilitator", [facilitator, true]);
    await net.provider.send("eth_sendTransaction", [{ from: timelock, to: taskEscrow, data }]);
    await net.provider.send("evm_mine", []);
    expect(await net.escrow.isFacilitator(facilitator)).to.equal(true);
  };
  /** Body of `POST /tasks` with the account's facilitator as it is claimed, whatever was signed. */
  const shownAs = async (task: Task, facilitator: string, payment: CallPayment = {}) => {
    const { paymentPayload, paymentRequirements: offered } = await net.payFromAccount(payer, task, payment);
    const requirements = { ...offered, extra: { ...offered.extra, facilitator } };
    const payload = { ...paymentPayload.payload, facilitator };
    return {
      x402Version: 2,
      paymentPayload: { ...paymentPayload, accepted: requirements, payload },
      paymentRequirements: requirements,
    };
  };
  const books = () => Promise.all(stores.map((store) => booksOf(store, payer.address)));
  const none = { charged: 0n, reserved: 0n, cap: 0n };

  it("has what it signed for the one refused by the other, each with its reason", async () => {
    const task = await net.makeTask(payer, { nonce: 1n });
    const payment = await net.payFromAccount(payer, task, { cap: 5000n });
    expect((await ask(`${here.url}/tasks`, payment)).status).to.equal(200);
    const refusals = [
      [payment, "task_facilitator_mismatch"],
      [await shownAs(task, second.address, { cap: 5000n }), "voucher_invalid"],
      [await shownAs(task, second.address), "voucher_required"],
    ] as const;
    for (const [shown, code] of refusals) {
      const { status, body } = await ask(`${there.url}/tasks`, shown);
      expect([status, body.error?.code]).to.deep.equal([402, code]);
    }
    expect(await books()).to.deep.equal([{ charged: 0n, reserved: 1000n, cap: 5000n }, none]);
  });

  it("is charged in the books of the one that released the call, and in no other", async () => {
    const [before] = await books();
    const task = await net.makeTask(payer, { nonce: 2n });
    const payment = await shownAs(task, second.address, { cap: 3000n, facilitator: second.address });
    const { status, body } = await ask(`${there.url}/tasks`, payment);
    expect(status, JSON.stringify(body)).to.equal(200);
    const certificate = await net.certify(net.makeResult(task));
    const taskPath = `/tasks/${net.taskIdIn(task)}/certificate`;
    expect((await ask(`${here.url}${taskPath}`, certificate)).body.error?.code).to.equal("unknown_task");
    expect((await ask(`${there.url}${taskPath}`, certificate)).body).to.deep.include({ state: "certified" });
    expect(await books()).to.deep.equal([before, { charged: 400n, reserved: 0n, cap: 3000n }]);
    const accounts = new AccountsAdapter(net.network.contracts.taskEscrow, net.provider);
    for (const facilitator of [net.facilitator, second.address]) {
      expect(await accounts.accountOf({ payer: payer.address, facilitator })).to.include({ balance: 5000n, spent: 0n });
    }
  });
});
