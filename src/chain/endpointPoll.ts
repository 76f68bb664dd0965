import { setTimeout as sleep } from "node:timers/promises";
import type { JsonRpcPayload } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { Comparable } from "./comparable.ts";
import type { Answer, Endpoint } from "./endpoint.ts";

/** How an endpoint did with one request: `outvoted` where its answer was not the one that counts. */
export type EndpointOutcome = "answered" | "failed" | "outvoted";

/** Told how each endpoint did, by its position. */
export type EndpointObserver = (position: number, outcome: EndpointOutcome) => void;

/** How long numbers that a quorum has given wait for those of the others. */
const GRACE_MS = 300;

/** Too few endpoints said the same. */
export class NoAgreement extends OpgError {
  /** Whether enough answered: what they said differed, and may agree in a moment. */
  readonly isDispute: boolean;

  constructor(agreed: number, answered: number, endpoints: number) {
    const words = `${agreed} of the chain's ${endpoints} endpoints agree, which is too few; try again in a moment.`;
    super("chain_unavailable", words, { agreed, endpoints });
    this.isDispute = answered >= quorumOf(endpoints);
  }
}

/** More than half: any two quorums share an endpoint. */
export function quorumOf(endpoints: number): number {
  return Math.floor(endpoints / 2) + 1;
}

/** One request to all endpoints at once. Nobody waits for an answer that changes nothing any more. */
export class EndpointPoll {
  readonly #answers: readonly Promise<Answer | undefined>[];
  #observe: EndpointObserver | undefined;

  constructor(endpoints: readonly Endpoint[], payload: JsonRpcPayload, observe?: EndpointObserver) {
    this.#observe = observe;
    this.#answers = endpoints.map((endpoint) => endpoint.ask(payload));
  }

  /**
   * Resolves as soon as a quorum has said the same.
   *
   * @param read - nothing where an answer says nothing of the chain
   * @throws NoAgreement as soon as none can come about
   */
  async agree(read: (answer: Answer) => Comparable | undefined): Promise<Answer> {
    const counts = new Map<string, number>();
    const asked = this.#answers.length;
    let [waiting, answered] = [asked, 0];
    for await (const answer of this.#arrivals()) {
      waiting -= 1;
      const said = answer && read(answer);
      if (said) {
        answered += 1;
        const count = (counts.get(said.key) ?? 0) + 1;
        counts.set(said.key, count);
        if (count >= quorumOf(asked)) {
          this.#tell((late) => outcomeOf(read(late), said.key));
          return said.answer;
        }
      }
      if (Math.max(0, ...counts.values()) + waiting < quorumOf(asked)) break;
    }
    this.#tell((late) => outcomeOf(read(late)));
    throw new NoAgreement(Math.max(0, ...counts.values()), answered, asked);
  }

  /**
   * Collects what endpoints say without comparing it: from all, or from those that have said it a moment after a quorum has.
   *
   * @param read - nothing where an answer says nothing of the chain
   * @param isEnough - whether what a quorum has said will do already
   * @throws NoAgreement where less than a quorum answers
   */
  async collect<T>(
    read: (answer: Answer) => T | undefined,
    isEnough: (collected: readonly T[]) => boolean = () => false,
  ): Promise<T[]> {
    const asked = this.#answers.length;
    const quorum = quorumOf(asked);
    const collected: T[] = [];
    const grace = new AbortController();
    this.#tell((answer) => (read(answer) === undefined ? "failed" : "answered"));
    for await (const answer of this.#arrivals(grace.signal)) {
      const said = answer && read(answer);
      if (said === undefined) continue;
      collected.push(said);
      if (collected.length >= quorum && isEnough(collected)) break;
      if (collected.length === quorum) void sleep(GRACE_MS, undefined, { ref: false }).then(() => grace.abort());
    }
    if (collected.length < quorum) throw new NoAgreement(collected.length, collected.length, asked);
    return collected;
  }

  /** Resolves with the first answer that is right; where none is, with all that there were. */
  async first(isRight: (answer: Answer) => boolean): Promise<{ right: Answer } | { wrong: Answer[] }> {
    this.#tell((answer) => ("error" in answer || isRight(answer) ? "answered" : "outvoted"));
    const wrong: Answer[] = [];
    for await (const answer of this.#arrivals()) {
      if (answer && isRight(answer)) return { right: answer };
      if (answer) wrong.push(answer);
    }
    return { wrong };
  }

  /** What endpoints answer, in the order in which they do. */
  async *#arrivals(signal?: AbortSignal): AsyncGenerator<Answer | undefined> {
    const arrived: (Answer | undefined)[] = [];
    let arrival = Promise.withResolvers<undefined>();
    signal?.addEventListener("abort", () => arrival.resolve(undefined));
    for (const asked of this.#answers) {
      void asked.then((answer) => {
        arrived.push(answer);
        arrival.resolve(undefined);
      });
    }
    for (let waiting = this.#answers.length; waiting > 0; waiting--) {
      while (arrived.length === 0) {
        if (signal?.aborted) return;
        await arrival.promise;
        arrival = Promise.withResolvers<undefined>();
      }
      yield arrived.shift();
    }
  }

  /** Tells once how each did, also of those that are late. */
  #tell(outcome: (answer: Answer) => EndpointOutcome): void {
    const observe = this.#observe;
    if (!observe) return;
    this.#observe = undefined;
    for (const [index, asked] of this.#answers.entries()) {
      void asked.then((answer) => observe(index + 1, answer ? outcome(answer) : "failed"));
    }
  }
}

function outcomeOf(said: Comparable | undefined, agreed?: string): EndpointOutcome {
  if (!said) return "failed";
  return said.key === agreed ? "answered" : "outvoted";
}
