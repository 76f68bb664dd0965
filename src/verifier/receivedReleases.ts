const MAX_TASKS = 10_000;

/** Tasks whose release has reached this verifier in time. It is kept in memory, until the task's deadline. */
export class ReceivedReleases {
  /** Deadlines by task, first received first. */
  readonly #deadlines = new Map<string, number>();

  add(taskId: string, deadline: number, now: number): void {
    this.#deadlines.set(taskId, deadline);
    for (const [oldest, until] of this.#deadlines) {
      if (until >= now && this.#deadlines.size <= MAX_TASKS) break;
      this.#deadlines.delete(oldest);
    }
  }

  has(taskId: string): boolean {
    return this.#deadlines.has(taskId);
  }
}
