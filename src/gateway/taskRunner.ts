import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { checkReceipt, type PaidRequest } from "#protocol/checkReceipt.ts";
import { OpgError } from "#protocol/errors.ts";
import { type InferAnswerJson, inferAnswerJson } from "#protocol/inferAnswer.ts";
import { answeredTaskJson, type ReleasedRequestJson, releasedTaskJson } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { resultToJson } from "#protocol/result.ts";
import { type SignedRelease, type Task, taskIdOf, taskToJson } from "#protocol/task.ts";
import { tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Gateway } from "./gateway.ts";
import type { ServingNode } from "./nodeDirectory.ts";
import { facilitatorOf, requirementsOf } from "./offer.ts";
import type { SentPayment } from "./readPayment.ts";

/** Errors below 500 that the node may name because they are about the request itself; any other is the node's fault. */
const payersErrors = new Set([
  "execution_failed",
  "charge_exceeds_ceiling",
  "invalid_tensor",
  "task_lost",
  "rate_limited",
]);

/** Tasks that a node is given at a time; verifiers repeat those of every node, and their queues are short too. */
const MAX_TASKS_PER_NODE = 6;

/** What is asked for, as far as its answer is checked with it. */
export type AskedRequest = Pick<PaidRequest, "inputs" | "listing">;

/** Runs paid tasks: the facilitator locks and releases, the node computes. The same payment at the same time runs once. */
export class TaskRunner {
  readonly #gateway: Gateway;
  readonly #running = new Map<string, Promise<InferAnswerJson | undefined>>();
  readonly #tasksOf = new Map<string, number>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /**
   * Runs a task, or joins the run of the same payment. A task that is over is answered by its node from memory.
   *
   * @returns nothing when the payment's node takes no tasks any more; then nothing was locked
   * @throws OpgError the facilitator's, before anything is locked; after that one that says when the payer is refunded
   */
  run(payment: SentPayment, asked: AskedRequest): Promise<InferAnswerJson | undefined> {
    const taskId = taskIdOf(payment.authorization.witness, domainIn(this.#gateway.network, "taskEscrow"));
    // A task's id becomes public; who knows only that must not get another's answer.
    const key = `${taskId}:${payment.signature}`;
    const running = this.#running.get(key);
    if (running) return running;
    const run = this.#run(taskId, payment, asked).finally(() => this.#running.delete(key));
    this.#running.set(key, run);
    return run;
  }

  async #run(taskId: string, payment: SentPayment, asked: AskedRequest): Promise<InferAnswerJson | undefined> {
    const { nodes, logger } = this.#gateway;
    const { witness: task } = payment.authorization;
    const node = await nodes.findServing(task.node, task.model);
    if (!node) return undefined;
    this.#take(task.node);
    try {
      const release = await this.#release(payment);
      logger.info({ taskId, node: task.node }, "task released");
      return await this.#answer(node, release, payment, asked).catch((cause: unknown) => {
        throw this.#refunded(taskId, task, cause);
      });
    } finally {
      this.#tasksOf.set(task.node, (this.#tasksOf.get(task.node) ?? 1) - 1);
    }
  }

  /** Before the money is locked: a task that has to wait too long would be refunded, and the node would work unpaid. */
  #take(node: string): void {
    const tasks = this.#tasksOf.get(node) ?? 0;
    if (tasks >= MAX_TASKS_PER_NODE) {
      throw new OpgError("rate_limited", `Node ${node} has ${tasks} tasks already; ask for a new offer in a moment.`, {
        node,
      });
    }
    this.#tasksOf.set(node, tasks + 1);
  }

  /** A node's answer is passed on only if its receipt holds: its host could send anything. */
  async #answer(
    node: ServingNode,
    release: SignedRelease,
    { authorization, accepted }: SentPayment,
    { inputs, listing }: AskedRequest,
  ): Promise<InferAnswerJson> {
    const { salt } = accepted.extra;
    const task = taskToJson(authorization.witness);
    const answer = await this.#compute(node, { task, release, salt, inputs: tensorsToJson(inputs) });
    const paid = { network: this.#gateway.network, listing, salt, inputs, authorization };
    checkReceipt(inferAnswerJson.parse(answer), tensorsFromJson(answer.outputs), paid);
    return answer;
  }

  async #release(payment: SentPayment): Promise<SignedRelease> {
    const { accepted, authorization, payload } = payment;
    const offered = { task: authorization.witness, salt: accepted.extra.salt, withTypedData: false };
    const requirements = requirementsOf(this.#gateway, offered);
    const { release } = await httpCall({
      method: "POST",
      url: new URL("/tasks", facilitatorOf(this.#gateway).url).href,
      body: {
        x402Version: 2,
        paymentPayload: { ...payload, accepted: withoutSalt(payload.accepted) } satisfies PaymentPayload,
        paymentRequirements: withoutSalt(requirements),
      },
      answer: releasedTaskJson,
      timeoutSeconds: this.#gateway.settings.releaseSeconds,
      unavailable: "facilitator_unavailable",
    });
    return release;
  }

  async #compute(node: ServingNode, body: ReleasedRequestJson & { release: SignedRelease }): Promise<InferAnswerJson> {
    const { executionSeconds, verdictSeconds } = this.#gateway.settings;
    const { outputs, result, nodeSignature, verdicts, transaction } = await httpCall({
      method: "POST",
      url: new URL("tasks", node.url).href,
      body,
      answer: answeredTaskJson,
      timeoutSeconds: executionSeconds + verdictSeconds,
      unavailable: "node_unavailable",
      dispatcher: node.dispatcher,
    });
    const receipt = {
      task: body.task,
      release: body.release,
      result: resultToJson(result),
      nodeSignature,
      verdicts,
      transaction,
    };
    return { taskId: result.taskId, outputs, receipt };
  }

  /** What a failure after the lock means to the payer: the money comes back, when, and by whom. */
  #refunded(taskId: string, task: Task, cause: unknown): OpgError {
    const { network, logger } = this.#gateway;
    // Another gateway had it run: nothing failed.
    if (!(cause instanceof OpgError) || cause.code === "task_already_running") throw cause;
    const code = cause.status >= 500 || payersErrors.has(cause.code) ? cause.code : "node_unavailable";
    logger.warn({ taskId, code: cause.code, node: task.node }, "task failed after its release");
    const refundAfter = task.deadline + network.parameters.settleWindowSeconds;
    const when =
      code === "result_refused"
        ? "the verifiers refused its result, so the whole amount returns to the payer at once"
        : `unless it is still certified, the whole amount returns to the payer, at the latest from ${new Date(refundAfter * 1000).toISOString()} on`;
    const reason = cause.message.replace(/\.$/, "");
    return new OpgError(code, `Task ${taskId} has no answer (${reason}); ${when}.`, { taskId, refundAfter }, { cause });
  }
}

/** With the salt the facilitator could try out what was asked: it gets digests only. */
function withoutSalt(requirements: PaymentRequirements): PaymentRequirements {
  const { extra } = requirements;
  return { ...requirements, extra: Object.fromEntries(Object.entries(extra).filter(([name]) => name !== "salt")) };
}
