import { OpgError } from "#protocol/errors.ts";

/** Tasks that a node is given at a time; verifiers repeat those of every node, and their queues are short too. */
const MAX_TASKS_PER_NODE = 6;

/** How many tasks of this gateway each node has. */
export class NodeLoad {
  readonly #tasksOf = new Map<string, number>();

  isFull(node: string): boolean {
    return this.#tasks(node) >= MAX_TASKS_PER_NODE;
  }

  /**
   * Counts a task while it runs. To be called before the payment is claimed: a task that has to wait too long would be
   * refunded, and the node would work unpaid.
   *
   * @throws OpgError `rate_limited`
   */
  async hold<Outcome>(node: string, run: () => Promise<Outcome>): Promise<Outcome> {
    const tasks = this.#tasks(node);
    if (this.isFull(node)) {
      const message = `Node ${node} has ${tasks} tasks already; ask for a new offer in a moment.`;
      throw new OpgError("rate_limited", message, { node });
    }
    this.#tasksOf.set(node, tasks + 1);
    try {
      return await run();
    } finally {
      this.#tasksOf.set(node, this.#tasks(node) - 1);
    }
  }

  #tasks(node: string): number {
    return this.#tasksOf.get(node) ?? 0;
  }
}
