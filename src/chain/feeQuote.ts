import type { ChainHead } from "./chainHead.ts";
import type { RpcProvider } from "./rpcProvider.ts";

const GWEI = 10n ** 9n;
/** 1,000 gwei: what asks for more is no market any more, and a person has to look at it. */
export const MAX_FEE_PER_GAS = 1_000n * GWEI;
/** A tip as high as the base fee outbids nearly all; where blocks are all but free, this much does. */
const LEAST_TIP_BOUND = 2n * GWEI;
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
    const tip = this.#boundTip;
    return {
      maxFeePerGas: least(2n * this.#head.newest.baseFeePerGas + tip, MAX_FEE_PER_GAS),
      maxPriorityFeePerGas: tip,
    };
  }

  /** The least that blocks take now. */
  get asked(): Fees {
    const tip = this.#boundTip;
    return { maxFeePerGas: this.#head.newest.baseFeePerGas + tip, maxPriorityFeePerGas: tip };
  }

  /** A tip is paid in full, whatever blocks ask, so an endpoint that proposes much of it would spend the signers' ether. */
  get #boundTip(): bigint {
    const { baseFeePerGas } = this.#head.newest;
    const bound = baseFeePerGas > LEAST_TIP_BOUND ? baseFeePerGas : LEAST_TIP_BOUND;
    return least(this.#tip, least(bound, MAX_FEE_PER_GAS));
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

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
