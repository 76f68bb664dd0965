import type { Clock } from "#service/clock.ts";
import { SlidingCounts } from "./slidingCounts.ts";

/** Anybody can publish a version and ask for it; who was asked for longest ago is forgotten above this. */
const MAX_VERSIONS = 1_000;

/** What payers want: offers asked for, tasks paid for, answered, and what no node was there for. */
export const demandKinds = ["asked", "paid", "answered", "turnedAway"] as const;
export type DemandKind = (typeof demandKinds)[number];

/** A version that somebody asked for. */
export interface WantedVersion {
  versionId: string;
  /** `name@version` */
  model: string;
}

/** How often a version was wanted in the window. */
export type VersionDemand = WantedVersion & Record<DemandKind, number>;

/** What this gateway was asked for in the last ten minutes, by version; a gateway that starts knows of nothing. */
export class Demand {
  readonly #clock: Clock;
  readonly #versions = new Map<string, { model: string; counts: SlidingCounts<DemandKind> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  count({ versionId, model }: WantedVersion, kind: DemandKind): void {
    const known = this.#versions.get(versionId) ?? { model, counts: new SlidingCounts() };
    known.counts.add(kind, this.#clock());
    this.#versions.delete(versionId);
    this.#versions.set(versionId, known);
    for (const oldest of this.#versions.keys()) {
      if (this.#versions.size <= MAX_VERSIONS) return;
      this.#versions.delete(oldest);
    }
  }

  /** What was wanted most, at most so many: what was paid for before what was only asked for, which is free. */
  list(limit: number): VersionDemand[] {
    const now = this.#clock();
    const all = [...this.#versions].flatMap(([versionId, { model, counts }]) => {
      if (counts.isEmpty(now)) return [];
      const of = (kind: DemandKind) => counts.of(kind, now);
      const demand = { asked: of("asked"), paid: of("paid"), answered: of("answered"), turnedAway: of("turnedAway") };
      return [{ versionId, model, ...demand }];
    });
    return all.sort((a, b) => b.paid - a.paid || b.turnedAway - a.turnedAway || b.asked - a.asked).slice(0, limit);
  }
}
