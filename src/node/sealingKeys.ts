import { type SealingKey, sealingKeyJson } from "#protocol/sealedRequest.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Verifier } from "./askVerifier.ts";

const TIMEOUT_SECONDS = 10;

/** Verifiers' keys for sealed requests, fetched when they are first needed. The enclave checks whose they are. */
export class SealingKeys {
  readonly #keys = new Map<string, Promise<SealingKey>>();

  /** @throws OpgError `verifier_unavailable` */
  get({ address, url }: Verifier): Promise<SealingKey> {
    const known = this.#keys.get(address);
    if (known) return known;
    const fetched = httpCall({
      method: "GET",
      url: `${url}/sealing-key`,
      answer: sealingKeyJson,
      timeoutSeconds: TIMEOUT_SECONDS,
      unavailable: "verifier_unavailable",
    });
    this.#keys.set(address, fetched);
    fetched.catch(() => this.#drop(address, fetched));
    return fetched;
  }

  /** A verifier does not know this key any more: it has started anew. */
  async forget({ address }: Verifier, { key }: SealingKey): Promise<void> {
    const known = this.#keys.get(address);
    if (known && (await known.catch(() => undefined))?.key === key) this.#drop(address, known);
  }

  #drop(address: string, dropped: Promise<SealingKey>): void {
    if (this.#keys.get(address) === dropped) this.#keys.delete(address);
  }
}
