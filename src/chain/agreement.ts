import { setTimeout as sleep } from "node:timers/promises";
import { type JsonRpcPayload, type JsonRpcResult, keccak256 } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { AgreedHead, type Poll } from "./agreedHead.ts";
import { movingTagOf, pinBlocks } from "./blockTags.ts";
import { comparable } from "./comparable.ts";
import { type Answer, Endpoint, type RpcError } from "./endpoint.ts";
import { type EndpointObserver, EndpointPoll, NoAgreement, quorumOf } from "./endpointPoll.ts";

/** Endpoints that differ may have been asked while a block came. */
const ASK_AGAIN_MS = 100;

/** How endpoints say that they have a transaction already. */
const alreadyKnown = /already known|known transaction|already (imported|exists)|already in .*pool/i;
/** What tells a sender why, in the order of how much. */
const tellingRefusals = [/insufficient funds/i, /nonce/i, /underpriced/i, /gas|fee/i];

/**
 * Answers requests from several endpoints of one chain, of which more than half must say the same. Those that lag, lie, hang
 * or are down are outvoted, and nobody waits for them.
 */
export class Agreement {
  readonly #endpoints: readonly Endpoint[];
  readonly #observe: EndpointObserver | undefined;
  readonly #head: AgreedHead;

  constructor(rpcUrls: readonly string[], observe?: EndpointObserver) {
    this.#endpoints = rpcUrls.map((url, index) => new Endpoint(url, index + 1));
    this.#observe = observe;
    const poll: Poll = ({ method, params }) => this.#poll({ id: 1, jsonrpc: "2.0", method, params });
    this.#head = new AgreedHead(poll, rpcUrls.length);
  }

  /**
   * Answers a request as one endpoint would.
   *
   * @throws OpgError `chain_unavailable` with how many `agreed` of how many `endpoints`
   */
  async send(payload: JsonRpcPayload): Promise<JsonRpcResult> {
    // ethers takes errors in the type of results.
    return { id: payload.id, ...(await this.#answer(payload)) } as JsonRpcResult;
  }

  /**
   * Makes sure that nobody speaks of another chain.
   *
   * @returns positions of the endpoints that do not answer
   * @throws OpgError `configuration` that names the position of one on another chain, `chain_unavailable` without a quorum
   */
  async checkChain(chainId: number): Promise<number[]> {
    const payload: JsonRpcPayload = { id: 1, jsonrpc: "2.0", method: "eth_chainId", params: [] };
    const answers = await Promise.all(this.#endpoints.map((endpoint) => endpoint.ask(payload)));
    const missing: number[] = [];
    for (const [index, answer] of answers.entries()) {
      const position = index + 1;
      if (!answer || "error" in answer) missing.push(position);
      else if (Number(answer.result) !== chainId) throw otherChain(position, chainId, Number(answer.result));
    }
    const there = answers.length - missing.length;
    if (there < quorumOf(answers.length)) throw new NoAgreement(there, there, answers.length);
    return missing;
  }

  /** Cuts off what is under way. */
  close(): void {
    for (const endpoint of this.#endpoints) void endpoint.close();
  }

  #answer(payload: JsonRpcPayload): Promise<Answer> {
    const { method, params } = payload;
    const [first, tag] = Array.isArray(params) ? (params as readonly unknown[]) : [];
    if (method === "eth_sendRawTransaction") return this.#broadcast(payload, String(first));
    if (method === "eth_gasPrice" || method === "eth_maxPriorityFeePerGas") return this.#median(payload);
    if (method === "eth_estimateGas") return this.#estimate(payload);
    if (method === "eth_getTransactionCount" && tag === "pending") return this.#pendingCount(payload);
    if (method === "eth_blockNumber") return this.#head.block("latest").then(({ number }) => ({ result: number }));
    const moving = method === "eth_getBlockByNumber" && tag !== true ? movingTagOf(method, params) : undefined;
    if (moving !== undefined) return this.#head.block(moving).then((result) => ({ result }));
    return this.#agree(payload);
  }

  /** Endpoints that differ are asked once more, and what lies above the agreed head does not count then. */
  async #agree(payload: JsonRpcPayload): Promise<Answer> {
    const { method } = payload;
    try {
      const pinned = await this.#pin(payload);
      const answer = await this.#poll(pinned).agree((each) => comparable(method, each));
      if (method === "eth_getTransactionReceipt") this.#noteBlock(answer);
      return answer;
    } catch (error) {
      if (!(error instanceof NoAgreement) || !error.isDispute) throw error;
    }
    await sleep(ASK_AGAIN_MS);
    const [pinned, head] = await Promise.all([this.#pin(payload), this.#head.block("latest")]);
    return this.#poll(pinned).agree((each) => comparable(method, each, Number(head.number)));
  }

  #noteBlock(answer: Answer): void {
    const receipt = "result" in answer ? (answer.result as { blockNumber?: string } | null) : null;
    if (receipt?.blockNumber !== undefined) this.#head.reach(Number(receipt.blockNumber));
  }

  async #pin(payload: JsonRpcPayload): Promise<JsonRpcPayload> {
    const numberOf = async (tag: Parameters<AgreedHead["block"]>[0]) => Number((await this.#head.block(tag)).number);
    const params = (await pinBlocks(payload.method, payload.params, numberOf)) as JsonRpcPayload["params"];
    return { ...payload, params };
  }

  /** Whether a call would go through is a fact. How much gas it takes is not: too much of it costs its sender nothing. */
  async #estimate(payload: JsonRpcPayload): Promise<Answer> {
    const poll = this.#poll(await this.#pin(payload));
    const agreed = await poll.agree((each) =>
      "error" in each ? comparable(payload.method, each) : { key: "goes through", answer: each },
    );
    return "error" in agreed ? agreed : { result: hexOf(largerMedian(await poll.collect(quantityIn))) };
  }

  /**
   * What a price is differs from endpoint to endpoint, and only ever costs the sender: one in the middle is no liar's. Of two the
   * smaller: what is too little can be raised later, what is too much is spent.
   */
  async #median(payload: JsonRpcPayload): Promise<Answer> {
    return { result: hexOf(smallerMedian(await this.#poll(payload).collect(quantityIn))) };
  }

  /** Transactions that wait are not the same everywhere: the count that a quorum has reached. */
  async #pendingCount(payload: JsonRpcPayload): Promise<Answer> {
    const counts = (await this.#poll(payload).collect(quantityIn)).sort(descending);
    return { result: hexOf(counts[quorumOf(this.#endpoints.length) - 1] ?? 0n) };
  }

  /** Goes to all, for some may not pass it on; one that takes it is enough, for only its receipt says that it is in a block. */
  async #broadcast(payload: JsonRpcPayload, raw: string): Promise<Answer> {
    const hash = keccak256(raw);
    const isTaken = (answer: Answer): boolean =>
      "error" in answer
        ? alreadyKnown.test(answer.error.message)
        : typeof answer.result === "string" && answer.result.toLowerCase() === hash;
    const outcome = await this.#poll(payload).first(isTaken);
    if ("right" in outcome) return { result: hash };
    const errors = outcome.wrong.flatMap((answer) => ("error" in answer ? [answer.error] : []));
    const error = mostTelling(errors);
    if (!error) throw new NoAgreement(0, 0, this.#endpoints.length);
    return { error };
  }

  #poll(payload: JsonRpcPayload): EndpointPoll {
    return new EndpointPoll(this.#endpoints, payload, this.#observe);
  }
}

/** What most say that is known here. */
function mostTelling(errors: readonly RpcError[]): RpcError | undefined {
  const groups = tellingRefusals.map((refusal) => errors.filter(({ message }) => refusal.test(message)));
  const [most = []] = groups.sort((a, b) => b.length - a.length);
  return most[0] ?? errors[0];
}

function quantityIn(answer: Answer): bigint | undefined {
  const result = "result" in answer ? answer.result : undefined;
  return typeof result === "string" && /^0x[0-9a-f]{1,64}$/i.test(result) ? BigInt(result) : undefined;
}

function largerMedian(quantities: bigint[]): bigint {
  return quantities.sort(descending)[Math.ceil(quantities.length / 2) - 1] ?? 0n;
}

function smallerMedian(quantities: bigint[]): bigint {
  return quantities.sort(descending)[Math.floor(quantities.length / 2)] ?? 0n;
}

function descending(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a > b ? -1 : 1;
}

function hexOf(quantity: bigint): string {
  return `0x${quantity.toString(16)}`;
}

function otherChain(position: number, expected: number, actual: number): OpgError {
  const words = `Endpoint ${position} of OPG_RPC_URL is on chain ${actual}, not ${expected}; correct it.`;
  return new OpgError("configuration", words, { endpoint: position, expected, actual });
}
