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

const REQUEST_TIMEOUT_MS = 10_000;

/** Told how a call went, its method and how long it took: `refused` by the endpoint or a contract, or without an answer. */
export type RpcObserver = (method: string, outcome: "answered" | "refused" | "failed", seconds: number) => void;

/** How chains put it that a call was run, and failed without giving data. */
const executionFailed = /revert|evm error|vm exception|execution|out ?of ?gas|gas required|opcode|stack|jump/i;

/**
 * An HTTP provider for one chain. Every request goes out alone and at once, nothing is answered from a cache, and a
 * chain that does not answer is OpgError `chain_unavailable`: ours to try again, never the payer's fault.
 */
export class ChainProvider extends JsonRpcProvider {
  readonly #observe: RpcObserver | undefined;

  /**
   * @param rpcUrl - http(s) URL; it may hold an access key, so errors do not repeat it
   * @param chainId - the chain expected there; {@link connectChain} checks it
   * @param observe - told of every call
   */
  constructor(rpcUrl: string, chainId: number, observe?: RpcObserver) {
    const request = new FetchRequest(rpcUrl);
    request.timeout = REQUEST_TIMEOUT_MS;
    request.setThrottleParams({ maxAttempts: 3 });
    const network = Network.from(chainId);
    super(request, network, { staticNetwork: network, batchMaxCount: 1, cacheTimeout: -1, pollingInterval: 500 });
    this.#observe = observe;
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const beganMs = performance.now();
    try {
      const results = await super._send(payload);
      this.#tell(payload, results, beganMs);
      return results;
    } catch (cause) {
      this.#tell(payload, undefined, beganMs);
      throw unavailable(cause);
    }
  }

  #tell(payload: JsonRpcPayload | JsonRpcPayload[], results: JsonRpcResult[] | undefined, beganMs: number): void {
    const seconds = (performance.now() - beganMs) / 1000;
    const refused = new Set(results?.filter((result) => "error" in result).map(({ id }) => id));
    for (const { id, method } of [payload].flat()) {
      const outcome = refused.has(id) ? "refused" : "answered";
      this.#observe?.(method, results === undefined ? "failed" : outcome, seconds);
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
 * @param observe - told of every call
 * @throws OpgError `chain_unavailable` when nothing answers, `configuration` when another chain does
 */
export async function connectChain(rpcUrl: string, chainId: number, observe?: RpcObserver): Promise<ChainProvider> {
  const provider = new ChainProvider(rpcUrl, chainId, observe);
  const actual = Number(await provider.send("eth_chainId", []));
  if (actual === chainId) return provider;
  provider.destroy();
  throw new OpgError(
    "configuration",
    `The chain at the network's rpcUrl is ${actual}, not ${chainId}; correct rpcUrl.`,
    { expected: chainId, actual },
  );
}

function unavailable(cause: unknown): OpgError {
  return new OpgError("chain_unavailable", "The chain does not answer; try again in a moment.", {}, { cause });
}
