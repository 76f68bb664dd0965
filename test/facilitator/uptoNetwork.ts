import { expect } from "chai";
import type { Wallet } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import type { Task } from "#protocol/task.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { type Answer, ask, askUntil } from "./ask.ts";
import { startFacilitatorNetwork } from "./facilitatorNetwork.ts";
import { type UptoChanges, uptoPaymentsOn } from "./uptoPayments.ts";

/** What one payer may owe without a lock there, atomic units. */
export const CAP = 2500n;

/** What was sent for a task, and what became of it. */
export const stepsOf = ({ body }: Answer): string[] | undefined =>
  body.transactions?.map(({ purpose, status }) => `${purpose} ${status}`);

/** A facilitator's network with two replicas, and payers by `upto` of tasks that are due in 120 s. */
export async function startUptoNetwork() {
  const net = await startFacilitatorNetwork();
  const payUpto = uptoPaymentsOn(net);
  /** Ahead of the machine's clock, as the chain's is once it was moved. */
  let aheadSeconds = 0;
  const environment = { ...(await net.environment("upto")), OPG_EXPOSURE_CAP: CAP.toString() };
  const start = (changes: Record<string, string> = {}): Promise<Daemon> =>
    startFacilitator({ ...environment, ...changes }, { clock: () => Math.floor(Date.now() / 1000) + aheadSeconds });
  let replicas = [await start(), await start()];
  const stop = async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
  };

  const send = (body: unknown, replica = 0) => ask(`${replicas[replica]?.url}/tasks`, body);
  const pay = async (payer: Wallet, task: Task, changes: UptoChanges = {}) => send(await payUpto(payer, task, changes));
  const at = (task: Task): string => `${replicas[0]?.url}/tasks/${net.taskIdIn(task)}`;
  return {
    ...net,
    ...{ payUpto, start, send, pay, at },
    restart: async (): Promise<void> => {
      await stop();
      replicas = [await start(), await start()];
    },
    /** A new payer's task, released. */
    released: async (balance = 1000n): Promise<{ payer: Wallet; task: Task }> => {
      const payer = await net.makePayer(balance);
      const task = await net.makeTask(payer);
      const answer = await pay(payer, task);
      expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
      return { payer, task };
    },
    certifyTask: async (task: Task, amount = 400n) =>
      ask(`${at(task)}/certificate`, await net.certify(net.makeResult(task, { amount }))),
    /** The task in a state, and with all of its transactions recorded: another replica may see the end first. */
    stateOf: (task: Task, state: string) =>
      askUntil(
        at(task),
        ({ body }) => body.state === state && !body.transactions?.some(({ status }) => status === "sent"),
      ),
    lockOf: async (task: Task) => (await net.escrow.locks(net.taskIdIn(task))).status,
    balanceOf: (payer: Wallet) => net.opg.balanceOf(payer.address),
    metrics: async (): Promise<string> => (await fetch(`${replicas[0]?.url}/metrics`)).text(),
    /** Lets so much time pass that a task paid now cannot be settled any more. */
    passWindow: async (): Promise<void> => {
      const seconds = 120 + net.network.parameters.settleWindowSeconds + 5;
      aheadSeconds += seconds;
      await net.provider.send("evm_increaseTime", [seconds]);
      await net.provider.send("evm_mine", []);
    },
    close: async (): Promise<void> => {
      await stop();
      await net.close();
    },
  };
}

export type UptoNetwork = Awaited<ReturnType<typeof startUptoNetwork>>;
