import type { ChainHead } from "./chainHead.ts";
import type { RpcProvider } from "./rpcProvider.ts";

const GWEI = 10n ** 9n;
/** Tips change slowly; asked so seldom, they cost nothing per transaction. */
const TIP_EVERY_BLOCKS = 20;

/** EIP-1559 fees in wei per gas. */
export interface Fees {
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** What a transaction has to pay, from the newest block and a tip that the endpoint proposes now and then. */
export class FeeQuote {
  readonly #provider: RpcProvider;
  readonly #head: ChainHead;
  #tip = GWEI;
  #blocksUntilTip = 0;

  constructor(provider: RpcProvider, head: ChainHead) {
    this.#provider = provider;
    this.#head = head;
  }

  /** Asks for the tip from now on; an endpoint that proposes none leaves it at what it was, 1 gwei at first. */
  async start(): Promise<void> {
    await this.#readTip();
    this.#head.onBlock(() => this.#readTip());
  }

  /** Twice the newest base fee and the tip: six full blocks in a row do not exceed that. */
  get offered(): Fees {
    return { maxFeePerGas: 2n * this.#head.newest.baseFeePerGas + this.#tip, maxPriorityFeePerGas: this.#tip };
  }

  /** The least that blocks take now. */
  get asked(): Fees {
    return { maxFeePerGas: this.#head.newest.baseFeePerGas + this.#tip, maxPriorityFeePerGas: this.#tip };
  }

  async #readTip(): Promise<void> {
    if (this.#blocksUntilTip-- > 0) return;
    this.#blocksUntilTip = TIP_EVERY_BLOCKS;
    try {
      this.#tip = BigInt((await this.#provider.send("eth_maxPriorityFeePerGas", [])) as string);
    } catch {
      // Not every endpoint proposes one.
    }
  }
}
