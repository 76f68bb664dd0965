/** A fault weighs as much as so many answers mend: who fails more often than one time in four is shut out in the end. */
const FAULT_WEIGHT = 3;

/** Suspicions by so many different payers, with no answer in between, are as good as a proof. */
const MAX_SUSPICIONS = 3;

/** `closed`: it gets tasks; `open`: none; `half_open`: one at a time, until one shows how it is. */
export type CircuitState = "closed" | "open" | "half_open";

/** When a circuit opens, and for how long. */
export interface CircuitLimits {
  /** Faults in a row. */
  faults: number;
  /** The first time; twice as long each time after that. */
  firstSeconds: number;
  longestSeconds: number;
}

/**
 * Decides whether somebody is asked at all. A fault is one that nobody else can have caused. What a payer may have caused
 * is a suspicion; one payer's count once until the next answer, so that no payer shuts anybody out.
 */
export class Circuit {
  readonly #limits: CircuitLimits;
  readonly #suspicions = new Set<string>();
  #weight = 0;
  #openUntil: number | undefined;
  #openings = 0;

  constructor(limits: CircuitLimits) {
    this.#limits = limits;
  }

  /** @param now - seconds since 1970, as everywhere here */
  state(now: number): CircuitState {
    if (this.#openUntil === undefined) return "closed";
    return now < this.#openUntil ? "open" : "half_open";
  }

  /** How bad it looks, in faults and suspicions that count now; 0 for who is to be tried again. */
  suspicion(now: number): number {
    return this.state(now) === "half_open" ? 0 : Math.floor(this.#weight / FAULT_WEIGHT) + this.#suspicions.size;
  }

  /** An answer that holds. One that was begun before it opened tells nothing new. */
  succeeded(now: number): void {
    if (this.state(now) === "open") return;
    this.#openUntil = undefined;
    this.#suspicions.clear();
    this.#weight = Math.max(0, this.#weight - 1);
    if (this.#weight === 0) this.#openings = 0;
  }

  /** A fault of its own. */
  failed(now: number): void {
    if (this.state(now) === "open") return;
    this.#weight += FAULT_WEIGHT;
    if (this.#weight >= this.#limits.faults * FAULT_WEIGHT) this.#open(now);
  }

  /** A failure that this payer may have caused. */
  suspected(now: number, payer: string): void {
    if (this.state(now) === "open") return;
    this.#suspicions.add(payer);
    if (this.#suspicions.size >= MAX_SUSPICIONS) this.#open(now);
  }

  /** One more fault opens it again, and for longer, until enough answers have come. */
  #open(now: number): void {
    const { faults, firstSeconds, longestSeconds } = this.#limits;
    this.#openUntil = now + Math.min(firstSeconds * 2 ** this.#openings, longestSeconds);
    this.#openings += 1;
    this.#weight = (faults - 1) * FAULT_WEIGHT;
    this.#suspicions.clear();
  }
}
