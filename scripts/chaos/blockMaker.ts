import { rpc } from "./rpc.ts";

/**
 * Makes the chain's blocks in place of its own clock. A block that anvil makes while it reorganises leaves a chain that is none:
 * blocks that are counted but not there, or whose transactions never happened. So nothing is made while {@link alone} runs.
 */
export class BlockMaker {
  readonly #chainUrl: string;
  readonly #timer: NodeJS.Timeout;
  #turn: Promise<void> = Promise.resolve();

  private constructor(chainUrl: string, blockSeconds: number) {
    this.#chainUrl = chainUrl;
    // What cannot be asked is asked again, or the chain was stopped.
    this.#timer = setInterval(() => void this.#make().catch(() => undefined), blockSeconds * 1000);
  }

  static async start(chainUrl: string, blockSeconds: number): Promise<BlockMaker> {
    await rpc(chainUrl, "evm_setIntervalMining", [0]);
    return new BlockMaker(chainUrl, blockSeconds);
  }

  /** Does something between two blocks. */
  alone(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #make(): Promise<void> {
    return this.alone(async () => {
      await rpc(this.#chainUrl, "evm_mine");
    });
  }
}
