import { Circuit } from "./circuit.ts";
import type { TaskOutcome } from "./judgeFailure.ts";
import { SlidingCounts, WINDOW_SECONDS } from "./slidingCounts.ts";

/** Enough for a 95th percentile that one odd task does not move. */
const MAX_DURATIONS = 64;

/** A node may answer for one model and be refused for another, whose file or whose payers are to blame. */
const limits = { faults: 3, firstSeconds: 5, longestSeconds: 300 };

/** What is measured of one version at one node. */
export class VersionMeasures {
  readonly counts = new SlidingCounts<TaskOutcome>();
  readonly circuit = new Circuit(limits);
  /** Tasks that run now. */
  running = 0;
  /** Seconds since 1970. */
  lastAnsweredAt = -Infinity;
  #durations: { at: number; seconds: number }[] = [];

  /** A task that was answered whole. @param now - seconds since 1970, as everywhere here */
  answered(now: number, seconds: number): void {
    this.lastAnsweredAt = now;
    this.#durations = [...this.#recent(now), { at: now, seconds }].slice(-MAX_DURATIONS);
  }

  /** The time that this share of the answered tasks took at most; nothing where none was. */
  percentileSeconds(share: number, now: number): number | undefined {
    const seconds = this.#recent(now).map((duration) => duration.seconds);
    seconds.sort((a, b) => a - b);
    return seconds[Math.max(0, Math.ceil(seconds.length * share) - 1)];
  }

  /** Whether nothing would be lost with it. */
  isEmpty(now: number): boolean {
    return this.running === 0 && this.counts.isEmpty(now) && this.circuit.state(now) === "closed";
  }

  #recent(now: number): { at: number; seconds: number }[] {
    return this.#durations.filter(({ at }) => at > now - WINDOW_SECONDS);
  }
}
