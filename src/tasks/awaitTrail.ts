import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import type { Trail } from "#protocol/settlement.ts";

const POLL_MS = 300;

/** Waits until a task has ended, settled or refunded. @throws OpgError `timeout` */
export async function awaitTrail(read: () => Promise<Trail>, timeoutSeconds: number): Promise<Trail> {
  const lastTry = Date.now() + timeoutSeconds * 1000;
  for (;;) {
    const trail = await read();
    if (trail.state === "settled" || trail.state === "refunded" || trail.state === "rejected") return trail;
    if (Date.now() > lastTry) {
      throw new OpgError("timeout", `Task ${trail.taskId} is still ${trail.state}; look again later with opg trace.`, {
        taskId: trail.taskId,
      });
    }
    await sleep(POLL_MS);
  }
}
