import { Socket } from "node:net";

/**
 * A socket that sends what is written between `cork` and `uncork` in one turn of the event loop in one piece, where Node
 * sends at each `uncork`. Queries that wait for none before them then cost one system call, and wake the database up once.
 */
export class GatheringSocket extends Socket {
  #isGathering = false;

  override uncork(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    // After everything that goes on by way of promises.
    process.nextTick(() => {
      this.#isGathering = false;
      while (this.writableCorked > 0) super.uncork();
    });
  }
}
