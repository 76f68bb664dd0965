import type { JsonRpcPayload } from "ethers";
import { Agent, request } from "undici";

const REQUEST_TIMEOUT_MS = 10_000;
/** More than a chain's answers need; an endpoint that never ends its answer must not fill the memory. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** What an endpoint that hangs can hold on to; further requests to it wait, and time out. */
const MAX_CONNECTIONS = 64;

/** An error that an endpoint answers by JSON-RPC. */
export interface RpcError {
  code: number;
  message: string;
  data?: unknown;
}

/** What an endpoint answers to one request. */
export type Answer = { result: unknown } | { error: RpcError };

/** One of several endpoints of a chain. */
export class Endpoint {
  /** Its place among those configured, from 1: the only name that it has outside. */
  readonly position: number;
  readonly #url: URL;
  readonly #headers: Record<string, string> = { "content-type": "application/json" };
  readonly #agent = new Agent({ connections: MAX_CONNECTIONS, maxResponseSize: MAX_ANSWER_BYTES });

  /** @param rpcUrl - http(s) URL; it may hold an access key, or name and password */
  constructor(rpcUrl: string, position: number) {
    this.position = position;
    this.#url = new URL(rpcUrl);
    const { username, password } = this.#url;
    if (username === "" && password === "") return;
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.#headers["authorization"] = `Basic ${Buffer.from(credentials).toString("base64")}`;
    this.#url.username = this.#url.password = "";
  }

  /** @returns nothing where it does not answer, or not by JSON-RPC */
  async ask({ method, params, id, jsonrpc }: JsonRpcPayload): Promise<Answer | undefined> {
    try {
      const { statusCode, body } = await request(this.#url, {
        method: "POST",
        headers: this.#headers,
        body: JSON.stringify({ method, params, id, jsonrpc }),
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const answer: unknown = await body.json();
      return statusCode === 200 ? readAnswer(answer) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Cuts off what is under way. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function readAnswer(answer: unknown): Answer | undefined {
  if (typeof answer !== "object" || answer === null) return undefined;
  if ("error" in answer && typeof answer.error === "object" && answer.error !== null) {
    const { code, message, data } = answer.error as Partial<RpcError>;
    return { error: { code: Number(code), message: String(message), data } };
  }
  return "result" in answer ? { result: answer.result } : undefined;
}
