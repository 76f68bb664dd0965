import type { HTTPAdapter, HTTPRequestContext } from "@x402/core/server";
import type { PaidRoute } from "./options.ts";

/** A request as x402's server wants to see it. */
export class RequestView implements HTTPAdapter {
  /** The route that it is for, once it is matched. */
  route: PaidRoute | undefined;
  readonly #request: Request;
  readonly #url: URL;

  constructor(request: Request) {
    this.#request = request;
    this.#url = new URL(request.url);
  }

  getHeader(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined;
  }

  /** Routers answer HEAD by their handler of GET, so it costs the same. */
  getMethod(): string {
    return this.#request.method === "HEAD" ? "GET" : this.#request.method;
  }

  getPath(): string {
    return this.#url.pathname;
  }

  getUrl(): string {
    return this.#url.href;
  }

  getAcceptHeader(): string {
    return this.getHeader("accept") ?? "";
  }

  getUserAgent(): string {
    return this.getHeader("user-agent") ?? "";
  }

  /** What x402's server is asked with. */
  context(): HTTPRequestContext {
    const context = { adapter: this, path: this.getPath(), method: this.getMethod() };
    const paymentHeader = this.getHeader("payment-signature");
    return paymentHeader === undefined ? context : { ...context, paymentHeader };
  }
}
