import {
  FetchRequest,
  isCallException,
  isError,
  type JsonRpcError,
  type JsonRpcPayload,
  JsonRpcProvider,
  type JsonRpcResult,
  Network,
} from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { Agreement } from "./agreement.ts";
import { executionFailed } from "./comparable.ts";
import type { EndpointObserver } from "./endpointPoll.ts";

const REQUEST_TIMEOUT_MS = 10_000;

/** Told how calls to a chain go. */
export interface ChainObserver {
  /** How a call went, its method and how long it took: `refused` by the endpoint or a contract, or without an answer. */
  call(method: string, outcome: "answered" | "refused" | "failed", seconds: number): void;
  /** Of several endpoints only: how each did, by its position from 1. */
  endpoint?: EndpointObserver;
  /** An endpoint did not answer when the chain was opened, by those that did. */
  missing?(position: number): void;
}

/**
 * An HTTP provider for one chain. Every request goes out alone and at once, nothing is answered from a cache, and a
 * chain that does not answer is OpgError `chain_unavailable`: ours to try again, never the payer's fault. Of several endpoints
 * more than half have to say the same.
 */
export class ChainProvider extends JsonRpcProvider {
  readonly #observer: ChainObserver | undefined;
  readonly #agreement: Agreement | undefined;
  #nextId = 1;

  /**
   * @param rpcUrls - http(s) URLs of the chain's endpoints, or of its only one; they may hold access keys, so errors do not
   * repeat them
   * @param chainId - the chain expected there; {@link connectChain} checks it
   * @param observer - told of every call
   */
  constructor(rpcUrls: string | readonly string[], chainId: number, observer?: ChainObserver) {
    const urls = [rpcUrls].flat();
    const request = new FetchRequest(urls[0] ?? "");
    request.timeout = REQUEST_TIMEOUT_MS;
    request.setThrottleParams({ maxAttempts: 3 });
    const network = Network.from(chainId);
    super(request, network, { staticNetwork: network, batchMaxCount: 1, cacheTimeout: -1, pollingInterval: 500 });
    this.#observer = observer;
    this.#agreement = urls.length > 1 ? new Agreement(urls, observer?.endpoint) : undefined;
  }

  /** @throws OpgError `chain_unavailable` when too few endpoints answer, `configuration` when one is on another chain */
  async requireChain(chainId: number): Promise<void> {
    if (this.#agreement) {
      for (const position of await this.#agreement.checkChain(chainId)) this.#observer?.missing?.(position);
      return;
    }
    const actual = Number(await this.send("eth_chainId", []));
    if (actual === chainId) return;
    const words = `The chain at the network's rpcUrl is ${actual}, not ${chainId}; correct rpcUrl.`;
    throw new OpgError("configuration", words, { expected: chainId, actual });
  }

  /** At once: ethers lets every request wait for a timer, so that others may join it, also where none may. */
  override async send(method: string, params: unknown[] | Record<string, unknown>): Promise<unknown> {
    if (this.destroyed) return super.send(method, params);
    this._start();
    const payload: JsonRpcPayload = { method, params, id: this.#nextId++, jsonrpc: "2.0" };
    const answers: (JsonRpcResult | JsonRpcError)[] = await this._send(payload);
    const answer = answers.find(({ id }) => id === payload.id);
    if (!answer) throw unavailable(new Error("the answer is to another request"));
    if ("error" in answer) throw this.getRpcError(payload, answer);
    return answer.result;
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const beganMs = performance.now();
    try {
      const results = await this.#request(payload);
      this.#tell(payload, results, beganMs);
      return results;
    } catch (cause) {
      this.#tell(payload, undefined, beganMs);
      throw cause instanceof OpgError ? cause : unavailable(cause);
    }
  }

  override destroy(): void {
    this.#agreement?.close();
    super.destroy();
  }

  #request(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const agreement = this.#agreement;
    if (!agreement) return this.#ask(payload);
    return Promise.all([payload].flat().map((each) => agreement.send(each)));
  }

  /** As ethers does it, but for the conversions of text, which it makes character by character. */
  async #ask(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const request = this._getConnection();
    request.body = Buffer.from(JSON.stringify(payload));
    request.setHeader("content-type", "application/json");
    const response = await request.send();
    response.assertOk();
    const answers = JSON.parse(Buffer.from(response.body ?? []).toString()) as JsonRpcResult | JsonRpcResult[];
    return [answers].flat();
  }

  #tell(payload: JsonRpcPayload | JsonRpcPayload[], results: JsonRpcResult[] | undefined, beganMs: number): void {
    const seconds = (performance.now() - beganMs) / 1000;
    const refused = new Set(results?.filter((result) => "error" in result).map(({ id }) => id));
    for (const { id, method } of [payload].flat()) {
      const outcome = refused.has(id) ? "refused" : "answered";
      this.#observer?.call(method, results === undefined ? "failed" : outcome, seconds);
    }
  }

  override getRpcError(payload: JsonRpcPayload, answer: JsonRpcError): Error {
    const error = super.getRpcError(payload, answer);
    const isSending = payload.method === "eth_sendRawTransaction";
    // Whatever goes wrong with a call is a contract's refusal to ethers; a limit or an inner fault of the endpoint is none.
    const isOwnFault =
      isCallException(error) && error.data === null && !executionFailed.test(answer.error.message ?? "");
    return (!isSending && isError(error, "UNKNOWN_ERROR")) || isOwnFault ? unavailable(error) : error;
  }
}

/**
 * Opens a chain and makes sure that it is the right one.
 *
 * @param rpcUrls - see {@link ChainProvider}
 * @param observer - told of every call
 * @throws OpgError `chain_unavailable` when nothing answers, `configuration` when another chain does
 */
export async function connectChain(
  rpcUrls: string | readonly string[],
  chainId: number,
  observer?: ChainObserver,
): Promise<ChainProvider> {
  const provider = new ChainProvider(rpcUrls, chainId, observer);
  try {
    await provider.requireChain(chainId);
    return provider;
  } catch (error) {
    provider.destroy();
    throw error;
  }
}

function unavailable(cause: unknown): OpgError {
  return new OpgError("chain_unavailable", "The chain does not answer; try again in a moment.", {}, { cause });
}
