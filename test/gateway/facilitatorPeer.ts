import { createApp, readBody } from "#service/httpApp.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { OpgError } from "#protocol/errors.ts";
import type { CertificateMessage, TaskRecordJson } from "#protocol/messages.ts";
import { paymentDigestOf, type TaskPayload, taskPayloadJson } from "#protocol/payment.ts";
import { resultToJson } from "#protocol/result.ts";
import { releaseTypedData, type Task, taskIdOf, taskJson, taskToJson } from "#protocol/task.ts";
import { type NetworkFixture, sign } from "#test/contracts/fixture.ts";
import { z } from "zod";

const bodyJson = z.looseObject({ paymentPayload: z.looseObject({ payload: taskPayloadJson }) });

/**
 * The other end of the gateway's calls to a facilitator: opens tasks on the test chain and releases them, and counts
 * what reaches it. It checks nothing, so whatever the gateway lets through is seen.
 */
export async function startFacilitatorPeer(fixture: NetworkFixture) {
  const { wallets, chainId, domainOf, taskEscrow } = fixture;
  const records = new Map<string, TaskRecordJson>();
  const peer = { url: "", calls: 0, refusal: undefined as OpgError | undefined };

  async function release({ signature, permit2Authorization }: TaskPayload): Promise<TaskRecordJson> {
    const task = permit2Authorization.witness;
    const taskId = taskIdOf(task, domainOf("taskEscrow"));
    const known = records.get(taskId);
    if (known) return known;
    const opened = await taskEscrow.connect(wallets.facilitator).open(task, signature);
    const paymentDigest = paymentDigestOf(permit2Authorization, BigInt(chainId));
    const unsigned = { taskId, paymentDigest, releasedAt: await fixture.now() };
    const signed = await sign(wallets.facilitator, releaseTypedData(unsigned, domainOf("taskEscrow")));
    const record: TaskRecordJson = {
      taskId,
      state: "released",
      task: taskToJson(task),
      facilitator: wallets.facilitator.address,
      release: { ...unsigned, facilitator: wallets.facilitator.address, signature: signed },
      result: null,
      verdicts: [],
      transactions: [
        { purpose: "open", hash: opened.hash, status: "included", blockNumber: opened.blockNumber, gasUsed: null },
      ],
    };
    records.set(taskId, record);
    return record;
  }

  const app = createApp(createLogger("facilitator", "silent"), 1024 * 1024);
  app.post("/tasks", async (context) => {
    peer.calls += 1;
    const { paymentPayload } = await readBody(context, bodyJson);
    if (peer.refusal) throw peer.refusal;
    const { taskId, release: signed, transactions } = await release(paymentPayload.payload);
    return context.json({ taskId, release: signed, transactions });
  });
  app.get("/tasks/:taskId", (context) => {
    const record = records.get(context.req.param("taskId"));
    if (!record) throw new OpgError("unknown_task", "There is no such task here.");
    return context.json(record);
  });
  const server = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
  return Object.assign(peer, {
    url: server.url,
    /** What a certificate leaves behind at a facilitator. */
    keepCertificate({ result, verdicts }: Pick<CertificateMessage, "result" | "verdicts">): void {
      const record = records.get(result.taskId);
      if (record) records.set(result.taskId, { ...record, state: "certified", result: resultToJson(result), verdicts });
    },
    /** The task of a payment that was released. */
    taskOf(taskId: string): Task {
      return taskJson.parse(records.get(taskId)?.task);
    },
    stop: () => server.close(0),
  });
}

export type FacilitatorPeer = Awaited<ReturnType<typeof startFacilitatorPeer>>;
