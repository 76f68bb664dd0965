import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "#protocol/errors.ts";
import type { Trail } from "#protocol/settlement.ts";

const POLL_MS = 300;

/** Waits until a task has ended: settled, refunded, or charged to an account, whose batch may be far. @throws OpgError `timeout` */
export async function awaitTrail(read: () => Promise<Trail>, timeoutSeconds: number): Promise<Trail> {
  const lastTry = Date.now() + timeoutSeconds * 1000;
  for (;;) {
    const trail = await read();
    if (isOver(trail)) return trail;
    if (Date.now() > lastTry) {
      throw new OpgError("timeout", `Task ${trail.taskId} is still ${trail.state}; look again later with opg trace.`, {
        taskId: trail.taskId,
      });
    }
    await sleep(POLL_MS);
  }
}

function isOver({ state, account }: Trail): boolean {
  const isOwed = account !== undefined && state === "certified";
  return isOwed || state === "settled" || state === "refunded" || state === "rejected";
}
