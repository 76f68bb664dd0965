import { OpgError } from "#protocol/errors.ts";
import type { InferAnswerJson } from "#protocol/inferAnswer.ts";
import type { ReleasedTask } from "#protocol/messages.ts";
import { requestDigest } from "#protocol/request.ts";
import type { Task } from "#protocol/task.ts";
import { countOutcomes, type OutcomeCounter } from "#service/countOutcomes.ts";
import type { BegunPayment } from "#store/gatewayStore.ts";
import { askNode } from "./askNode.ts";
import { checkPayment } from "./checkPayment.ts";
import { failedTask } from "./failedTask.ts";
import type { FittingRequest } from "./fitRequest.ts";
import type { Gateway } from "./gateway.ts";
import { JoinedRuns } from "./joinedRuns.ts";
import { measureTask } from "./measureTask.ts";
import type { ServingNode } from "./nodeDirectory.ts";
import { proposeTask } from "./proposeTask.ts";
import type { SentPayment } from "./readPayment.ts";
import { requestRelease } from "./requestRelease.ts";
import type { StepReader } from "./stepReader.ts";
import { requestMismatch } from "./uptoTerms.ts";

/** A payment together with the request that it came with. */
interface PaidRequest {
  payment: SentPayment;
  fitting: FittingRequest;
  /** As it is kept. */
  begun: BegunPayment;
  /** Digest of version and inputs under the payment's salt. */
  request: string;
  reader: StepReader | undefined;
}

/**
 * Answers paid requests: the facilitator claims and releases, a node computes, and who comes again with the same payment
 * gets the same answer. The signature alone gives nobody an answer, for it is public once the task is settled: it takes
 * the inputs and the salt too.
 */
export class PaidRequests {
  readonly #gateway: Gateway;
  readonly #requests = new JoinedRuns<InferAnswerJson | undefined>();
  readonly #tasks = new JoinedRuns<InferAnswerJson>();
  readonly #countTask: OutcomeCounter;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
    const { registry } = gateway.operations;
    this.#countTask = countOutcomes(
      registry,
      "opg_tasks_total",
      "Released tasks that nodes were asked for, by outcome.",
    );
  }

  /**
   * Answers a payment, or joins whoever sent the same one and waits for the end.
   *
   * @param reader - takes the steps, if they come one by one; when it leaves, the run ends where it is
   * @returns nothing when the node that the payer signed for takes no tasks any more; then nothing was locked
   * @throws OpgError of `checkPayment`, the facilitator's, `payment_identifier_conflict`, `answer_expired`; after the
   * release one that says what becomes of the money
   */
  async answer(
    payment: SentPayment,
    fitting: FittingRequest,
    reader?: StepReader,
  ): Promise<InferAnswerJson | undefined> {
    const { salt, paymentDigest, signatureHash } = payment;
    const { versionId, inputDigest, body } = fitting;
    if (body.salt !== undefined && body.salt !== salt) throw requestMismatch();
    const request = requestDigest(salt, versionId, inputDigest);
    const begun = { paymentDigest, signatureHash, versionId, inputDigest, salt };
    const name = `${paymentDigest}:${signatureHash}:${request}`;
    return this.#requests.join(name, () => this.#answer({ payment, fitting, begun, request, reader }));
  }

  async #answer(paid: PaidRequest): Promise<InferAnswerJson | undefined> {
    const { store, clock, nodes } = this.#gateway;
    const { payment, fitting, begun, request } = paid;
    const stored = await store.find(begun, clock());
    const isSame = stored !== undefined && requestOf(stored) === request;
    if (stored?.released) {
      if (!isSame) throw requestMismatch();
      return stored.answer ?? this.#compute(stored.released, begun, paid);
    }
    // Begun before, it has passed already, and may be released though its deadline is over.
    if (!isSame) checkPayment(this.#gateway, payment, { ...fitting, request });
    const ended: string[] = [];
    for (;;) {
      const node = await this.#nodeFor(paid, isSame, ended);
      if (!node) return undefined;
      const place = { node: node.address, versionId: fitting.versionId };
      const answer = await nodes.measures.hold(place, () => this.#begin(paid, node));
      if (answer) return answer;
      nodes.leaveOut(node.address);
      ended.push(node.address);
    }
  }

  /**
   * The node of the payment, asked a moment before the release: after it no other can take its place, because the release
   * names the task and the task its node.
   *
   * @param isBegun - it may be released already, for this node
   * @param ended - nodes that the facilitator released nothing for
   * @returns nothing where the payer should sign for another one
   */
  async #nodeFor(
    { payment, fitting }: PaidRequest,
    isBegun: boolean,
    ended: readonly string[],
  ): Promise<ServingNode | undefined> {
    const { nodes } = this.#gateway;
    if (payment.scheme === "upto") return nodes.pickAnswering(fitting.versionId, ended);
    const { node, model: versionId } = payment.task;
    if (ended.includes(node)) return undefined;
    if (!isBegun && nodes.measures.isShutOut({ node, versionId })) return undefined;
    const isFull = !nodes.measures.hasRoom({ node, versionId });
    if (!isBegun && isFull && (await nodes.hasAnotherWithRoom(versionId, node))) return undefined;
    return nodes.findServing(node, versionId);
  }

  /** @returns nothing where the node has ended since it was asked; then nothing was released */
  async #begin(paid: PaidRequest, node: ServingNode): Promise<InferAnswerJson | undefined> {
    const { payment, begun } = paid;
    const released = await this.#release(paid, node.address);
    if (!released) return undefined;
    if (released.release.paymentDigest !== payment.paymentDigest) return this.#answerEarlier(paid, released);
    return this.#compute(released, begun, paid, node);
  }

  /**
   * Each step is on disk before the next: whatever is released, some gateway finds out and asks the node.
   *
   * @returns nothing where the facilitator, by a newer block, knows that the node takes no tasks any more
   */
  async #release(paid: PaidRequest, node: string): Promise<ReleasedTask | undefined> {
    const { store, clock, network, logger } = this.#gateway;
    const { payment, begun, request } = paid;
    const task = proposeTask(payment, { node, request, versionId: begun.versionId, network });
    const expiresAt = this.#endOf(task);
    await store.begin(begun, clock(), expiresAt);
    const released = await requestRelease(this.#gateway, payment, task).catch(async (error: unknown) => {
      const hasEnded = error instanceof OpgError && error.code === "no_active_node";
      if (hasEnded || (error instanceof OpgError && error.status < 500)) await store.forget(begun);
      if (!hasEnded) throw error;
    });
    if (!released) return undefined;
    const isFirst = released.release.paymentDigest === payment.paymentDigest;
    if (released.task.payer !== task.payer || (isFirst && released.task.request !== request)) throw requestMismatch();
    if (isFirst) await store.recordRelease(begun, released, expiresAt);
    else await store.forget(begun);
    if (isFirst) this.#gateway.demand.count(paid.fitting, "paid");
    logger.info({ taskId: released.taskId, node: released.task.node, isFirst }, "task released");
    return released;
  }

  /** The facilitator knows the payment's identifier: what it was first used for is answered, under the salt of then. */
  async #answerEarlier(paid: PaidRequest, released: ReleasedTask): Promise<InferAnswerJson> {
    const { store, clock } = this.#gateway;
    const { fitting } = paid;
    const { task, taskId, release } = released;
    const rows = await store.findByDigest(release.paymentDigest, clock());
    const earlier = rows.find((row) => requestOf(row) === task.request);
    const isOther = earlier ? earlier.inputDigest !== fitting.inputDigest : false;
    if (task.model !== fitting.versionId || isOther) {
      const message =
        "This payment-identifier was used for another request; send that one again, or use a new identifier.";
      throw new OpgError("payment_identifier_conflict", message, { earlierTaskId: taskId });
    }
    if (!earlier) {
      const message = "The answer to this payment-identifier is not kept here any more; use a new identifier.";
      throw new OpgError("answer_expired", message, { earlierTaskId: taskId });
    }
    if (!earlier.released) await store.recordRelease(earlier, released, this.#endOf(task));
    return earlier.answer ?? this.#compute(released, earlier, paid);
  }

  /** Until then somebody may settle the task; an answer is kept for longer. Seconds since 1970. */
  #endOf({ deadline }: Task): number {
    return deadline + this.#gateway.network.parameters.settleWindowSeconds;
  }

  /**
   * A node computes a task once and answers it again to who asks again.
   *
   * @param serving - that the task was given to just now
   */
  #compute(
    released: ReleasedTask,
    begun: BegunPayment,
    { fitting, reader }: Pick<PaidRequest, "fitting" | "reader">,
    serving?: ServingNode,
  ): Promise<InferAnswerJson> {
    const { task, taskId } = released;
    const { inputs, listing } = fitting;
    const asked = { inputs, listing, salt: begun.salt };
    const ask = async (): Promise<InferAnswerJson> => {
      try {
        const isNew = serving?.address === task.node;
        const node = isNew ? serving : await this.#findNode(task);
        const askOnce = () => askNode(this.#gateway, node, released, asked, reader);
        const answer = isNew ? await measureTask(this.#gateway, released, reader, askOnce) : await askOnce();
        this.#gateway.demand.count(fitting, "answered");
        await this.#keep(begun, answer);
        return answer;
      } catch (error) {
        throw failedTask(this.#gateway, released, error);
      }
    };
    return this.#tasks.join(taskId, () => this.#countTask(ask()));
  }

  async #findNode({ node, model }: Task): Promise<ServingNode> {
    const serving = await this.#gateway.nodes.findServing(node, model);
    if (serving) return serving;
    throw new OpgError("node_unavailable", `Node ${node} takes no tasks any more; send the request anew.`, { node });
  }

  /** Paid for it is: where it cannot be kept, it is given away all the same, and the node is asked the next time. */
  async #keep(begun: BegunPayment, answer: InferAnswerJson): Promise<void> {
    const { store, clock, settings, logger } = this.#gateway;
    try {
      await store.recordAnswer(begun, answer, clock() + settings.answerSeconds);
    } catch (error) {
      logger.error({ err: error, taskId: answer.taskId }, "answer not kept");
    }
  }
}

function requestOf({ salt, versionId, inputDigest }: BegunPayment): string {
  return requestDigest(salt, versionId, inputDigest);
}
