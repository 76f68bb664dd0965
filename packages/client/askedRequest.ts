import { concat, sha256, toUtf8Bytes } from "ethers";
import { OpgError } from "../protocol/errors.ts";
import type { Fetch, FetchInit } from "./fetch.ts";

/** How often a payment is sent that gets no answer at all; the same one each time, so that it is never charged twice. */
const MAX_SENDS = 3;
const WAIT_MS = 250;

/** A request in a form that can be sent again. */
export interface AskedRequest {
  url: string;
  init: FetchInit;
  /** SHA-256 of method, URL and body. */
  digest: string;
}

/** Reads what `fetch` is called with; a body that is a stream is read to its end. */
export async function readRequest(input: string | URL | Request, init: RequestInit): Promise<AskedRequest> {
  const request = new Request(input, init);
  const { method, signal } = request;
  const url = request.url.replace(/#.*$/, "");
  const body = new Uint8Array(await request.arrayBuffer());
  return {
    url,
    init: {
      method,
      headers: Object.fromEntries(request.headers),
      redirect: request.redirect,
      signal,
      ...(body.length === 0 ? {} : { body }),
    },
    digest: sha256(concat([toUtf8Bytes(`${method} ${url}\n`), body])),
  };
}

/**
 * Sends a request with its payment until something answers. A redirect is not followed: it would carry the payment along.
 *
 * @param id - of the payment, by which it can be sent again later
 * @throws OpgError `payment_unanswered`; the reason of the caller's own signal when that ended it
 */
export async function sendPaid(
  fetch: Fetch,
  { url, init }: AskedRequest,
  payment: { header: string; id: string },
): Promise<Response> {
  const headers = { ...init.headers, "payment-signature": payment.header };
  for (let sends = 1; ; sends++) {
    try {
      return await fetch(url, { ...init, headers, redirect: "manual" });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      if (sends === MAX_SENDS) throw unanswered(url, payment.id, cause);
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS * sends));
    }
  }
}

function unanswered(url: string, id: string, cause: unknown): OpgError {
  const { origin } = new URL(url);
  const message = `${origin} did not answer the payment, which may be charged or not; ask again with paymentIdentifier "${id}" and the same payment is sent again, never a second one.`;
  return new OpgError("payment_unanswered", message, { paymentIdentifier: id, url: origin }, { cause });
}
