import type { CertificateMessage } from "#protocol/messages.ts";
import type { Network } from "#protocol/network.ts";
import type { Logger } from "#service/logger.ts";
import { witness } from "./certify.ts";
import type { CountedVerdict } from "./collectVerdicts.ts";

/** Shows certificates to all verifiers, so that each can count who was right. Best effort: what one misses, it does not count. */
export class Witnessing {
  readonly #verifiers: Network["verifiers"];
  readonly #logger: Logger;
  readonly #sending = new Set<Promise<unknown>>();

  constructor({ verifiers }: Pick<Network, "verifiers">, logger: Logger) {
    this.#verifiers = verifiers;
    this.#logger = logger;
  }

  /** Sends a certificate with every verdict and commitment of its epoch, once the last one has arrived. */
  begin(certificate: CertificateMessage, pending: readonly Promise<CountedVerdict>[]): void {
    const sending = this.#send(certificate, pending);
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  /** Resolves when nothing is on its way any more. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#sending);
  }

  async #send(certificate: CertificateMessage, pending: readonly Promise<CountedVerdict>[]): Promise<void> {
    const { taskId } = certificate.result;
    const epoch = certificate.verdicts[0]?.epoch;
    const outcomes = await Promise.allSettled(pending);
    const heard = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    const verdicts = heard.map(({ verdict }) => verdict).filter((verdict) => verdict.agrees && verdict.epoch === epoch);
    const witnessed = { ...certificate, verdicts, commitments: heard.map(({ commitment }) => commitment) };
    const sent = this.#verifiers.map((verifier) =>
      witness(verifier, witnessed).catch((error: unknown) =>
        this.#logger.warn({ taskId, verifier: verifier.address, err: error }, "certificate not witnessed"),
      ),
    );
    await Promise.all(sent);
  }
}
