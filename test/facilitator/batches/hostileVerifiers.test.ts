import { once } from "node:events";
import { createServer } from "node:http";
import { expect } from "chai";
import type { BatchRequestJson } from "#protocol/batchMessages.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Daemon } from "#service/runDaemon.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import { type BatchNetwork, startBatchNetwork } from "./batchNetwork.ts";

/** What a verifier answers that is not one of ours, by the path that it is asked at; nothing ever where nothing comes. */
type Answers = (path: string, body: BatchRequestJson) => unknown;

describe("verifiers that want to hold up batches", function () {
  this.timeout(60_000);
  let net: BatchNetwork;
  let daemon: Daemon;
  let store: FacilitatorStore;

  before(async () => {
    net = await startBatchNetwork();
    ({ daemon, store } = await net.start("held_up"));
  });
  after(() => net.close());

  /** In the place of a verifier, until what is to come to pass all the same has done so. */
  const inPlaceOf = async (index: number, answers: Answers, work: (asked: readonly string[]) => Promise<void>) => {
    const verifier = net.verifierDaemons[index] ?? expect.fail("there is such a verifier");
    await verifier.stop();
    const asked: string[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        asked.push(request.url ?? "");
        const body = JSON.parse(Buffer.concat(chunks).toString()) as BatchRequestJson;
        const answer = answers(request.url ?? "", body);
        if (answer === undefined) return;
        response.writeHead(answer instanceof OpgError ? 409 : 200, { "content-type": "application/json" });
        response.end(JSON.stringify(answer instanceof OpgError ? answer.toBody() : answer));
      });
    });
    server.listen(Number(new URL(verifier.url).port), "127.0.0.1");
    await once(server, "listening");
    try {
      await work(asked);
    } finally {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      await verifier.start();
    }
  };

  const settle = async (amounts: readonly bigint[]): Promise<string[]> => {
    const payer = await net.openAccount(1000n);
    const taskIds: string[] = [];
    for (const amount of amounts) taskIds.push(await net.charge(store, payer, amount, { seenBy: [0, 1] }));
    net.demand();
    return taskIds;
  };

  it("are shown no batch over and over, however often they forget it", async () => {
    for (const amount of [1n, 2n])
      for (const taskId of await settle([amount])) await net.ended(store, taskId, "settled");
    const missing = (previous: string) => new OpgError("batch_history_missing", "It is not known here.", { previous });
    const [first = "", second = ""] = (await net.settledBatches()).slice(-2).map(({ batchId }) => batchId);
    const forgetful: Answers = (path) => {
      if (path === "/batches") return missing(second);
      return path === `/batches/${first}` ? { recorded: true } : missing(first);
    };
    await inPlaceOf(2, forgetful, async (asked) => {
      for (const taskId of await settle([3n])) await net.ended(store, taskId, "settled");
      expect(asked).to.deep.equal(["/batches", ...[second, first, second].map((batchId) => `/batches/${batchId}`)]);
    });
  });

  it("refuse once for each batch, and their silence is waited for no longer than a moment", async () => {
    const refused = new Set<string>();
    const stubborn: Answers = (_, { receipts }) => {
      const [receipt] = receipts.filter(({ taskId }) => !refused.has(taskId));
      if (!receipt) return undefined;
      refused.add(receipt.taskId);
      return {
        verifier: net.verifierDaemons[2]?.address,
        refused: [{ taskId: receipt.taskId, reason: "result_refused" }],
      };
    };
    await inPlaceOf(2, stubborn, async () => {
      const taskIds = await settle([1n, 2n, 3n, 4n, 5n, 6n]);
      await net.until("all but one are settled", async () => {
        const states = await Promise.all(taskIds.map(async (taskId) => (await store.findTask(taskId))?.state));
        return states.filter((state) => state === "settled").length === taskIds.length - 1;
      });
    });
    await inPlaceOf(
      2,
      () => undefined,
      async () => {
        for (const taskId of await settle([7n])) await net.ended(store, taskId, "settled");
      },
    );
  });

  it("do not keep a facilitator from ending", async () => {
    await inPlaceOf(
      2,
      () => undefined,
      async (asked) => {
        const payer = await net.openAccount(10n);
        await net.charge(store, payer, 8n, { seenBy: [0, 1] });
        await net.verifierDaemons[1]?.stop();
        net.demand();
        await net.until("the batch is asked about", () => Promise.resolve(asked.length > 0));
        const since = Date.now();
        await net.stopFacilitator(daemon);
        expect(Date.now() - since).to.be.lessThan(10_000);
      },
    );
  });
});
