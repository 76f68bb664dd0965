import { z } from "zod";
import type { BatchProofJson } from "#protocol/batchProof.ts";
import { OpgError } from "#protocol/errors.ts";
import type { CertificateMessage, TaskRecordJson } from "#protocol/messages.ts";
import { paymentDigestOf, taskPayloadJson } from "#protocol/payment.ts";
import { paymentIdentifierIn } from "#protocol/paymentIdentifier.ts";
import { type PrefundedPayload, prefundedPayloadJson } from "#protocol/prefunded.ts";
import { proxyPayloadJson, proxyPaymentDigest } from "#protocol/proxyPayment.ts";
import { type Result, resultJson, resultToJson } from "#protocol/result.ts";
import { releaseTypedData, type Task, taskIdOf, taskJson, taskToJson } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import { createApp, readBody } from "#service/httpApp.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { type NetworkFixture, sign } from "#test/contracts/fixture.ts";
import { AccountPeer } from "./accountPeer.ts";
import { settleBatch } from "./settleBatch.ts";

const bodyJson = z.looseObject({
  paymentPayload: z.looseObject({
    accepted: z.looseObject({ scheme: z.enum(["task", "upto", "prefunded"]) }),
    payload: z.unknown(),
    extensions: z.unknown().optional(),
  }),
  task: taskJson.optional(),
});
type Body = z.output<typeof bodyJson>;

/** A payment as far as the peer looks at it. */
interface ReadPayment {
  task: Task;
  paymentDigest: string;
  signature: string;
  /** Only under `upto`. */
  validAfter?: bigint;
  /** Only under `prefunded`. */
  prefunded?: PrefundedPayload;
}

interface ReleasedPayment extends ReadPayment {
  record: TaskRecordJson;
}

/**
 * The other end of the gateway's calls to a facilitator: releases tasks and counts what reaches it. It checks nothing, so
 * whatever the gateway lets through is seen; only vouchers have to suffice. Tasks of scheme `task` it opens on the test chain,
 * those of `upto` it captures there when the node has answered, those of `prefunded` it keeps for a batch; the first task of an authorization, or of a payment identifier, is the one it keeps to.
 */
export async function startFacilitatorPeer(fixture: NetworkFixture) {
  const { wallets, chainId, domainOf } = fixture;
  const released = new Map<string, Promise<ReleasedPayment>>();
  const payments = new Map<string, ReleasedPayment>();
  const proofs = new Map<string, BatchProofJson>();
  const peer = {
    url: "",
    accounts: new AccountPeer(domainOf("taskEscrow")),
    calls: 0,
    /** Bodies as they came. */
    bodies: [] as string[],
    /** Instead of a release. */
    refusal: undefined as OpgError | undefined,
    /** A node that the newest block has ended: nothing is released for it. */
    endedNode: undefined as string | undefined,
    /** Instead of the answer, when the task is released already: it got lost on the way. */
    failure: undefined as OpgError | undefined,
  };

  async function release(payment: ReadPayment): Promise<ReleasedPayment> {
    const { task, paymentDigest, validAfter, prefunded } = payment;
    const taskId = taskIdOf(task, domainOf("taskEscrow"));
    const isLocked = validAfter === undefined && !prefunded;
    const transactions = isLocked ? [await open(fixture, payment)] : [];
    const unsigned = { taskId, paymentDigest, releasedAt: await fixture.now() };
    const signature = await sign(wallets.facilitator, releaseTypedData(unsigned, domainOf("taskEscrow")));
    const { address } = wallets.facilitator;
    const record: TaskRecordJson = {
      taskId,
      state: "released",
      task: taskToJson(task),
      facilitator: address,
      release: { ...unsigned, facilitator: address, signature },
      result: null,
      verdicts: [],
      claimedBlock: 0,
      transactions,
    };
    payments.set(taskId, { ...payment, record });
    return { ...payment, record };
  }

  const app = createApp(createLogger("facilitator", "silent"), 1024 * 1024);
  app.post("/tasks", async (context) => {
    peer.calls += 1;
    peer.bodies.push(await context.req.text());
    const body = await readBody(context, bodyJson);
    if (peer.refusal) throw peer.refusal;
    const payment = readPayment(body, BigInt(chainId), domainOf("taskEscrow"));
    if (payment.task.node === peer.endedNode) throw new OpgError("no_active_node", "It takes no tasks now.");
    const id = paymentIdentifierIn(body.paymentPayload.extensions);
    const earlier = released.get(payment.paymentDigest) ?? (id === undefined ? undefined : released.get(id));
    if (!earlier && payment.prefunded) peer.accounts.reserve(payment.paymentDigest, payment.prefunded);
    const known = earlier ?? release(payment);
    for (const name of [payment.paymentDigest, ...(id === undefined ? [] : [id])]) {
      if (!released.has(name)) released.set(name, known);
    }
    const { taskId, task, release: signed, transactions } = (await known).record;
    if (peer.failure) throw peer.failure;
    return context.json({ taskId, task, release: signed, transactions });
  });
  app.get("/tasks/:taskId", (context) => {
    const payment = payments.get(context.req.param("taskId"));
    if (!payment) throw new OpgError("unknown_task", "There is no such task here.");
    return context.json(payment.record);
  });
  app.get("/tasks/:taskId/proof", (context) => {
    const taskId = context.req.param("taskId");
    const proof = proofs.get(taskId);
    const isRefunded = payments.get(taskId)?.record.state === "refunded";
    if (isRefunded) throw new OpgError("nothing_charged", "Nothing was charged for this call, so no batch holds it.");
    if (!proof) throw new OpgError("not_settled_yet", "No settled batch has this call yet; ask again later.");
    return context.json(proof);
  });
  const server = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
  return Object.assign(peer, {
    url: server.url,
    /** Settles a certified result. @returns the transaction's hash, if it has one of its own */
    async settle(task: Task, { result, nodeSignature, verdicts }: CertificateMessage): Promise<string | null> {
      const payment = payments.get(result.taskId)!;
      if (payment.prefunded) peer.accounts.end(result.taskId, task.payer, result.amount);
      const hash = payment.prefunded ? null : await settle(fixture, { ...payment, task }, result, nodeSignature);
      payment.record = { ...payment.record, state: "certified", result: resultToJson(result), verdicts };
      return hash;
    },
    /** Settles every certified task of accounts in one batch, which these must be able to pay. */
    async settleBatch(): Promise<void> {
      const certified = [...payments.values()].filter(({ record }) => record.state === "certified");
      const owed = certified.flatMap(({ record, prefunded }) =>
        prefunded && record.result ? [{ task: prefunded.task, result: resultJson.parse(record.result) }] : [],
      );
      for (const proof of await settleBatch(fixture, owed, peer.accounts)) {
        const { taskId } = proof.receipt;
        const payment = payments.get(taskId)!;
        payment.record = { ...payment.record, state: "settled" };
        proofs.set(taskId, proof);
      }
    },
    /** Proofs as they are handed out; tests damage them. */
    proofs,
    /** Ends a task of an account without a charge. */
    refund(taskId: string): void {
      const payment = payments.get(taskId)!;
      peer.accounts.end(taskId, payment.task.payer, 0n);
      payment.record = { ...payment.record, state: "refunded" };
    },
    /** Tasks released, oldest first. */
    taskIds: (): string[] => [...payments.keys()],
    /** The task of a payment that was released. */
    taskOf: (taskId: string): Task => taskJson.parse(payments.get(taskId)?.record.task),
    /** A facilitator that lost its memory, or, in time, pruned it. */
    forget: () => released.clear(),
    stop: () => server.close(0),
  });
}

export type FacilitatorPeer = Awaited<ReturnType<typeof startFacilitatorPeer>>;

function readPayment({ paymentPayload, task }: Body, chainId: bigint, taskEscrow: Domain): ReadPayment {
  if (paymentPayload.accepted.scheme === "prefunded") {
    const prefunded = prefundedPayloadJson.parse(paymentPayload.payload);
    const { task: signed, signature } = prefunded;
    return { task: signed, paymentDigest: taskIdOf(signed, taskEscrow), signature, prefunded };
  }
  if (paymentPayload.accepted.scheme === "task") {
    const { signature, permit2Authorization } = taskPayloadJson.parse(paymentPayload.payload);
    const paymentDigest = paymentDigestOf(permit2Authorization, chainId);
    return { task: permit2Authorization.witness, paymentDigest, signature };
  }
  const { signature, permit2Authorization } = proxyPayloadJson.upto.parse(paymentPayload.payload);
  const paymentDigest = proxyPaymentDigest("upto", permit2Authorization, chainId);
  const { validAfter } = permit2Authorization.witness;
  return { task: taskJson.parse(task && taskToJson(task)), paymentDigest, signature, validAfter };
}

async function open({ taskEscrow, wallets }: NetworkFixture, { task, signature }: ReadPayment) {
  const { hash, blockNumber } = await taskEscrow.connect(wallets.facilitator).open(task, signature);
  return { purpose: "open" as const, hash, status: "included" as const, blockNumber, gasUsed: null };
}

async function settle(
  { settlement, wallets, certifyResult }: NetworkFixture,
  { task, signature, validAfter }: ReadPayment,
  result: Result,
  nodeSignature: string,
): Promise<string> {
  const certificate = await certifyResult(result);
  if (validAfter === undefined) return (await settlement.settle(task, result, nodeSignature, certificate)).hash;
  const payment = { facilitator: wallets.facilitator.address, validAfter, signature };
  const byFacilitator = settlement.connect(wallets.facilitator);
  return (await byFacilitator.capture(task, result, nodeSignature, certificate, payment)).hash;
}
