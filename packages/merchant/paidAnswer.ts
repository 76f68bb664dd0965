import { withPrivateCacheControl } from "@x402/core/server";
import { meteredBody } from "./meteredBody.ts";
import type { Ending, Served } from "./served.ts";
import type { SignedPayment } from "./signedPayment.ts";

/** Of the time that an authorization holds, what is left for settling. */
export const SETTLE_SECONDS = 60;
/** What is sold for a payment that was verified. */
export interface Sale {
  request: Request;
  signed: SignedPayment;
  nowSeconds: number;
  /** What the head of the answer says besides. */
  headers: Readonly<Record<string, string>>;
  /** Told once, whatever ends the answer. */
  onEnded: (served: Served) => void;
}

/** Serves what was paid for, once, and finds out what of it was served. */
export class PaidAnswer {
  readonly #sale: Sale;
  readonly #timer: ReturnType<typeof setTimeout>;
  #status = 0;
  #bytes = 0;
  #chunks = 0;
  #ending: Ending | undefined;
  /** Does nothing before there is a body. */
  #breakOff: (reason: unknown) => void = () => undefined;

  constructor(sale: Sale) {
    this.#sale = sale;
    const seconds = sale.signed.settleBy - SETTLE_SECONDS - sale.nowSeconds;
    this.#timer = setTimeout(() => this.#stop("expired", "The payment for this answer has ended."), seconds * 1000);
    const { signal } = sale.request;
    const hangUp = (): void => this.#stop("hung_up", signal.reason);
    if (signal.aborted) hangUp();
    else signal.addEventListener("abort", hangUp, { once: true });
  }

  /** Runs the handler. Head and pieces of its answer go out as they come. @throws whatever the handler throws */
  async run(handle: () => Response | Promise<Response>): Promise<Response> {
    if (this.#ending) return nothing(this.#ending);
    try {
      return this.#pass(await handle());
    } catch (error) {
      this.#end("failed");
      throw error;
    }
  }

  #pass(answer: Response): Response {
    const { status, statusText, body } = answer;
    if (this.#ending) {
      body?.cancel("Nobody waits for this answer any more.").catch(() => undefined);
      return nothing(this.#ending);
    }
    this.#status = status;
    if (status >= 400) this.#end("failed");
    if (body === null) this.#end("complete");
    const head = { status, statusText, headers: this.#headersOf(answer) };
    if (status >= 400 || body === null) return new Response(body, head);
    const { stream, breakOff } = meteredBody(body, {
      count: (bytes) => this.#count(bytes),
      end: (ending) => this.#end(ending),
    });
    this.#breakOff = breakOff;
    return new Response(stream, head);
  }

  #headersOf(answer: Response): Headers {
    const headers = new Headers(answer.headers);
    for (const [name, value] of Object.entries(this.#sale.headers)) headers.set(name, value);
    headers.set("cache-control", withPrivateCacheControl(headers.get("cache-control")));
    return headers;
  }

  /** Whoever was here when a piece came gets it, and it counts. */
  #count(bytes: number): boolean {
    if (this.#ending) return false;
    this.#bytes += bytes;
    this.#chunks += 1;
    return true;
  }

  #stop(ending: Ending, reason: unknown): void {
    if (this.#ending) return;
    this.#end(ending);
    this.#breakOff(reason);
  }

  #end(ending: Ending): void {
    if (this.#ending) return;
    this.#ending = ending;
    clearTimeout(this.#timer);
    const { request, onEnded } = this.#sale;
    onEnded({ request, status: this.#status, bytes: this.#bytes, chunks: this.#chunks, ending });
  }
}

/** For a handler that came too late: the client is gone, or the payment has ended. */
function nothing(ending: Ending): Response {
  return new Response(null, { status: ending === "expired" ? 504 : 499 });
}
