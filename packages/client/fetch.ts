/** The part of `fetch` that the client uses; `globalThis.fetch` and everything like it fits. */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>;

/** What the client gives to {@link Fetch}. */
export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
  signal?: AbortSignal;
  redirect?: "follow" | "manual" | "error";
}

/** Fills an array with random bytes, as `crypto.getRandomValues` does. */
export type RandomBytes = (length: number) => Uint8Array;

/** Seconds since 1970. */
export type Clock = () => number;

/** `fetch`'s own options; of them method, headers, body, signal and redirect count. */
export interface PayingInit extends RequestInit {
  /**
   * 16 to 128 letters, digits, `-` and `_`, naming one request: asked again with the same one, also after a restart, the
   * same payment is sent, never a second.
   */
  paymentIdentifier?: string;
}
