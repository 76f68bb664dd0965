import type { JsonRpcPayload } from "ethers";
import type { MovingTag } from "./blockTags.ts";
import { comparable } from "./comparable.ts";
import type { Answer } from "./endpoint.ts";
import { type EndpointPoll, NoAgreement, quorumOf } from "./endpointPoll.ts";

/** How many blocks below the newest endpoints may have different ones, before nothing is believed. */
const MAX_FORK_BLOCKS = 12;

/** A block as endpoints show it. */
export interface RpcBlock {
  number: string;
}

/** Asks all endpoints one thing. */
export type Poll = (payload: Pick<JsonRpcPayload, "method" | "params">) => EndpointPoll;

/**
 * Finds the newest block that a quorum of endpoints has, the same one. So whatever is read at it can be read at a quorum, and
 * neither one endpoint that is ahead, or says so, nor one that lags decides what is now.
 */
export class AgreedHead {
  readonly #poll: Poll;
  readonly #endpoints: number;
  /** The highest numbers yet: a quorum that has reached them need not wait for the rest. */
  readonly #reached = new Map<MovingTag, number>();
  readonly #asked = new Map<MovingTag, Promise<RpcBlock>>();

  constructor(poll: Poll, endpoints: number) {
    this.#poll = poll;
    this.#endpoints = endpoints;
  }

  /**
   * The block that a tag means now. Callers of one turn of the event loop share it, and so read at the same block; it is never
   * one that was asked for before.
   *
   * @throws NoAgreement
   */
  block(tag: MovingTag): Promise<RpcBlock> {
    const shared = this.#asked.get(tag);
    if (shared) return shared;
    const asked = new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.#asked.delete(tag);
      return this.#find(tag);
    });
    this.#asked.set(tag, asked);
    return asked;
  }

  /** A quorum has shown what lies in this block. */
  reach(number: number): void {
    this.#reached.set("latest", Math.max(number, this.#reached.get("latest") ?? 0));
  }

  async #find(tag: MovingTag): Promise<RpcBlock> {
    const reached = this.#reached.get(tag) ?? Number.POSITIVE_INFINITY;
    const poll = this.#poll({ method: "eth_getBlockByNumber", params: [tag, false] });
    const heads = await poll.collect(headIn, (some) => this.#quorumReaches(some) >= reached);
    const highest = this.#quorumReaches(heads);
    const lower = heads.map(({ number }) => number).filter((number) => number < highest);
    const candidates = new Set([...numbersDownFrom(highest), ...lower.sort((a, b) => b - a)]);
    const block = this.#agreedAmong(heads, highest) ?? (await this.#firstAgreed([...candidates]));
    this.#reached.set(tag, Number(block.number));
    return block;
  }

  /** The highest number that a quorum is at, or above. */
  #quorumReaches(heads: readonly Head[]): number {
    const numbers = heads.map(({ number }) => number).sort((a, b) => b - a);
    return numbers[quorumOf(this.#endpoints) - 1] ?? 0;
  }

  /** The block of this number where a quorum has it as its newest. */
  #agreedAmong(heads: readonly Head[], number: number): RpcBlock | undefined {
    const there = heads.filter((head) => head.number === number);
    const isAgreed = ({ key }: Head): boolean =>
      there.filter((head) => head.key === key).length >= quorumOf(this.#endpoints);
    return there.find(isAgreed)?.block;
  }

  async #firstAgreed(numbers: readonly number[]): Promise<RpcBlock> {
    let last: unknown;
    for (const number of numbers) {
      const poll = this.#poll({ method: "eth_getBlockByNumber", params: [`0x${number.toString(16)}`, false] });
      try {
        const answer = await poll.agree((each) =>
          headIn(each) ? comparable("eth_getBlockByNumber", each) : undefined,
        );
        if ("result" in answer) return answer.result as RpcBlock;
      } catch (error) {
        if (!(error instanceof NoAgreement)) throw error;
        last = error;
      }
    }
    throw last;
  }
}

interface Head {
  number: number;
  key: string;
  block: RpcBlock;
}

function headIn(answer: Answer): Head | undefined {
  const said = comparable("eth_getBlockByNumber", answer);
  if (!said || !("result" in said.answer)) return undefined;
  const block = said.answer.result as RpcBlock | null;
  const number = Number(block?.number ?? Number.NaN);
  return block && Number.isSafeInteger(number) ? { number, key: said.key, block } : undefined;
}

function numbersDownFrom(highest: number): number[] {
  const count = Math.min(MAX_FORK_BLOCKS, highest) + 1;
  return Array.from({ length: count }, (_, below) => highest - below);
}
