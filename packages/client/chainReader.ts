import type { Interface, Result } from "ethers";
import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import type { Fetch } from "./fetch.ts";

const TIMEOUT_SECONDS = 30;

const answerJson = z.looseObject({ result: z.unknown() });
const errorJson = z.looseObject({ error: z.looseObject({ message: z.string() }) });

/** Asks a node of the chain over JSON-RPC; nothing is ever sent to the chain from here. */
export class ChainReader {
  readonly url: string;
  readonly #fetch: Fetch;

  constructor(fetch: Fetch, url: string) {
    this.#fetch = fetch;
    this.url = url;
  }

  /** Calls a view function. @throws OpgError `chain_unavailable` */
  async call(to: string, abi: Interface, name: string, values: readonly unknown[]): Promise<Result> {
    const call = { to, data: abi.encodeFunctionData(name, values) };
    const data = await this.request("eth_call", [call, "latest"], z.string());
    try {
      return abi.decodeFunctionResult(name, data);
    } catch (cause) {
      throw chainUnavailable(this.url, `does not know ${name} at ${to}`, cause);
    }
  }

  /** One JSON-RPC request whose result has that shape. @throws OpgError `chain_unavailable` */
  async request<Schema extends z.ZodType>(
    method: string,
    params: readonly unknown[],
    result: Schema,
  ): Promise<z.output<Schema>> {
    try {
      const response = await this.#fetch(this.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
        signal: AbortSignal.timeout(TIMEOUT_SECONDS * 1000),
      });
      const answer: unknown = await response.json();
      const refused = errorJson.safeParse(answer);
      if (refused.success) throw new Error(refused.data.error.message);
      return result.parse(answerJson.parse(answer).result);
    } catch (cause) {
      throw chainUnavailable(this.url, `did not answer ${method}`, cause);
    }
  }
}

/** An endpoint of the chain that gave nothing that can be used. */
export function chainUnavailable(url: string, problem: string, cause?: unknown): OpgError {
  const { origin } = new URL(url);
  return new OpgError("chain_unavailable", `${origin} ${problem}; check rpcUrl or try again later.`, {}, { cause });
}
