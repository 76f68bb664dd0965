import { OpgError } from "#protocol/errors.ts";

/** All that requests and answers may take together: as much as eight of the largest requests. */
const MAX_HELD_BYTES = 512 * 1024 * 1024;

interface Held {
  request: Uint8Array | undefined;
  answerBytes: number;
  isCertified: boolean;
}

/**
 * What tasks take in memory. A task that runs keeps its request, as verifiers need it; one that is certified keeps it for those
 * that are late, and gives way to new tasks. Answers are kept, as they are paid for.
 */
export class TaskBytes {
  readonly #held = new Map<string, Held>();
  readonly #maxBytes: number;

  constructor(maxBytes = MAX_HELD_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Keeps a task's request. @throws OpgError `rate_limited` where there is no room for it */
  begin(taskId: string, request: Uint8Array): void {
    let bytes = request.length;
    for (const held of this.#held.values()) bytes += (held.request?.length ?? 0) + held.answerBytes;
    for (const held of this.#held.values()) {
      if (bytes <= this.#maxBytes) break;
      if (!held.isCertified) continue;
      bytes -= held.request?.length ?? 0;
      held.request = undefined;
    }
    if (bytes > this.#maxBytes) {
      throw new OpgError("rate_limited", "This node holds as many tasks as it can; try again later, or another node.");
    }
    this.#held.set(taskId, { request, answerBytes: 0, isCertified: false });
  }

  /** The request of a task, where it is still kept. */
  requestOf(taskId: string): Uint8Array | undefined {
    return this.#held.get(taskId)?.request;
  }

  /** A task has its answer. */
  certify(taskId: string, answerBytes: number): void {
    const held = this.#held.get(taskId);
    if (held) Object.assign(held, { answerBytes, isCertified: true });
  }

  /** Nobody needs a task's request any more. */
  dropRequest(taskId: string): void {
    const held = this.#held.get(taskId);
    if (held) held.request = undefined;
  }

  /** Nobody needs anything of a task any more. */
  forget(taskId: string): void {
    this.#held.delete(taskId);
  }
}
