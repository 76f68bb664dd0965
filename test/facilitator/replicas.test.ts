import { expect } from "chai";
import { Client } from "pg";
import { startFacilitator } from "#facilitator/start.ts";
import type { Task } from "#protocol/task.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { openFacilitatorStore } from "#store/facilitatorStore.ts";
import { ask, askUntil } from "./ask.ts";
import { type FacilitatorNetwork, startFacilitatorNetwork } from "./facilitatorNetwork.ts";
import { uptoPaymentsOn } from "./uptoPayments.ts";

/** A step of the first replica at which something happens, once. */
interface Interruption {
  before: "recordTransaction" | "recordRelease";
  happens: (task: Task) => Promise<void>;
}

describe("two facilitators on one database", function () {
  this.timeout(60_000);
  let net: FacilitatorNetwork;
  let payUpto: ReturnType<typeof uptoPaymentsOn>;
  let databaseUrl: string;
  let replicas: Daemon[];
  let interruption: Interruption | undefined;
  let claimed: Task | undefined;

  before(async () => {
    net = await startFacilitatorNetwork();
    payUpto = uptoPaymentsOn(net);
    const environment = await net.environment("replicas");
    databaseUrl = environment["DATABASE_URL"] ?? "";
    replicas = [await startInterrupted(environment), await startFacilitator(environment)];
  });
  after(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await net.close();
  });

  const interrupt = async (step: Interruption["before"]): Promise<void> => {
    if (interruption?.before !== step || !claimed) return;
    const { happens } = interruption;
    interruption = undefined;
    await happens(claimed);
  };
  const startInterrupted = (environment: Record<string, string>): Promise<Daemon> =>
    startFacilitator(environment, {
      openStore: async (url, logger) => {
        const store = await openFacilitatorStore(url, logger);
        return {
          ...store,
          claim: (claim, terms) => {
            claimed = claim.task;
            return store.claim(claim, terms);
          },
          recordTransaction: async (request, sign) => {
            await interrupt("recordTransaction");
            return store.recordTransaction(request, sign);
          },
          recordRelease: async (release) => {
            await interrupt("recordRelease");
            return store.recordRelease(release);
          },
        };
      },
    });
  const send = (body: unknown, replica = 0) => ask(`${replicas[replica]?.url}/tasks`, body);
  const at = (task: Task): string => `${replicas[1]?.url}/tasks/${net.taskIdIn(task)}`;
  /** Ends the connections that hold leases at the server, as a broken network would. */
  const cutLeases = async (): Promise<void> => {
    const operator = new Client({ connectionString: databaseUrl });
    await operator.connect();
    await operator.query(
      "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()",
    );
    await operator.end();
  };
  const payment = async (scheme: "task" | "upto") => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    return { payer, task, body: scheme === "task" ? await net.payFor(payer, task) : await payUpto(payer, task) };
  };

  it("leave a claim alone on which the other one works", async () => {
    const { task, body } = await payment("task");
    interruption = {
      before: "recordTransaction",
      // Longer than it takes the other to look for claims that nobody works on.
      happens: () => new Promise((resolve) => setTimeout(resolve, 5000)),
    };
    const answer = await send(body);
    expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
    expect((await ask(at(task))).body.state).to.equal("released");
  });

  for (const scheme of ["task", "upto"] as const) {
    it(`are safe when the leases are lost: what the other one ended is not gone on with (${scheme})`, async () => {
      const { payer, task, body } = await payment(scheme);
      interruption = {
        before: scheme === "task" ? "recordTransaction" : "recordRelease",
        happens: async () => {
          await cutLeases();
          await askUntil(at(task), (seen) => seen.body.state === "rejected");
        },
      };
      const answer = await send(body);
      expect([answer.status, answer.body.error?.code]).to.deep.equal([503, "facilitator_unavailable"]);
      expect(await net.opg.balanceOf(payer.address)).to.equal(1000n);
      const again = await send(body);
      expect(again.status, JSON.stringify(again.body)).to.equal(200);
      expect(await send(body, 1)).to.deep.equal(again);
    });
  }

  it("take up at the next request what a failed write left, without a second task", async () => {
    const { body } = await payment("upto");
    interruption = { before: "recordRelease", happens: () => Promise.reject(new Error("the disk is full")) };
    expect((await send(body)).status).to.equal(500);
    const again = await send(body, 1);
    expect(again.status, JSON.stringify(again.body)).to.equal(200);
    expect(await send(body)).to.deep.equal(again);
  });

  it("take over what one has sent when it is gone", async () => {
    const { task, body } = await payment("upto");
    expect((await send(body)).status).to.equal(200);
    await net.stopMining();
    const certificate = await net.certify(net.makeResult(task));
    const accepted = await ask(`${replicas[0]?.url}/tasks/${net.taskIdIn(task)}/certificate`, certificate);
    expect(accepted.status, JSON.stringify(accepted.body)).to.equal(200);
    await replicas.shift()?.stop();
    await net.goOnMining();
    const settled = await askUntil(`${replicas[0]?.url}/tasks/${net.taskIdIn(task)}`, ({ body: seen }) => {
      const [capture] = seen.transactions ?? [];
      return seen.state === "settled" && capture?.status === "included";
    });
    expect(settled.body.transactions).to.have.length(1);
  });
});
