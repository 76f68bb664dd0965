import type { NodeMeasuresJson } from "#protocol/nodeListing.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Clock } from "#service/clock.ts";
import { Circuit } from "./circuit.ts";
import { type OtherCause, type TaskOutcome, taskOutcomes } from "./judgeFailure.ts";
import { WINDOW_SECONDS } from "./slidingCounts.ts";
import { VersionMeasures } from "./versionMeasures.ts";

/** Tasks that a node is given at a time; verifiers repeat those of every node, and their queues are short too. */
const MAX_TASKS_PER_NODE = 6;

/** So long after an offer the payment is expected; until then it counts like a task that runs. */
const OFFER_SECONDS = 3;

/** Versions that a listing tells of. */
const MAX_LISTED_VERSIONS = 100;

/** Waits are not told apart below this. */
const LEAST_SECONDS = 0.05;

/** A node that does not answer at all is asked again soon: no task depends on it. */
const reachLimits = { faults: 1, firstSeconds: 3, longestSeconds: 30 };

/** A version at a node. */
export interface Place {
  node: string;
  versionId: string;
}

/** How a task ended at a node. */
export interface EndedTask extends Place {
  outcome: TaskOutcome;
  payer: string;
  /** Of a failure: who else may have caused it; left out where the task was none that a node can be judged by. */
  otherCause?: OtherCause;
  /** Seconds since 1970. */
  beganAt: number;
  /** Until its answer was checked. */
  seconds: number;
}

interface NodeState {
  /** Whether it answers. */
  reach: Circuit;
  versions: Map<string, VersionMeasures>;
  /** When it was offered, seconds since 1970. */
  offers: number[];
  lastTurn: number;
}

/**
 * What this gateway has measured of each node in the last ten minutes, and what follows from it: who has room, how long a
 * task is expected to take, who is shut out. It is kept in memory only: a gateway that starts knows nothing, and gives
 * everybody a chance. Nodes are known by address alone, never by who operates them.
 */
export class NodeMeasures {
  readonly #clock: Clock;
  readonly #nodes = new Map<string, NodeState>();
  #turn = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a node answers; who asks it says so here. */
  reachOf(node: string): Circuit {
    return this.#node(node).reach;
  }

  /** Whether a node answered when it was last asked something. */
  answers(node: string): boolean {
    return (this.#nodes.get(node)?.reach.state(this.#clock()) ?? "closed") === "closed";
  }

  /** Whether a node gets no tasks of a version. */
  isShutOut({ node, versionId }: Place): boolean {
    const known = this.#nodes.get(node);
    return known?.versions.get(versionId)?.circuit.state(this.#clock()) === "open";
  }

  /** Whether a node can be given one more task; of a version that it is tried with again, one at a time. */
  hasRoom({ node, versionId }: Place): boolean {
    const known = this.#nodes.get(node);
    if (!known) return true;
    const version = known.versions.get(versionId);
    const isTried = version?.circuit.state(this.#clock()) === "half_open";
    return runningAt(known) < MAX_TASKS_PER_NODE && !(isTried && version.running > 0);
  }

  /**
   * Counts a task while it runs. To be called before the payment is claimed: a task that has to wait too long would be
   * refunded, and the node would work unpaid.
   *
   * @throws OpgError `rate_limited`
   */
  async hold<Outcome>(place: Place, run: () => Promise<Outcome>): Promise<Outcome> {
    const { node, versionId } = place;
    if (!this.hasRoom(place)) {
      const message = `Node ${node} has as many tasks as it is given; ask for a new offer in a moment.`;
      throw new OpgError("rate_limited", message, { node });
    }
    this.#node(node).offers.shift();
    const version = this.#version(node, versionId);
    version.running += 1;
    try {
      return await run();
    } finally {
      version.running -= 1;
    }
  }

  /** Counts an offer that names a node. */
  offered(node: string): void {
    const known = this.#node(node);
    known.offers.push(this.#clock());
    known.lastTurn = this.#turn += 1;
  }

  /** How a task ended, and what follows for the node. */
  record({ node, versionId, outcome, otherCause, payer, beganAt, seconds }: EndedTask): void {
    const now = this.#clock();
    const version = this.#version(node, versionId);
    version.counts.add(outcome, now);
    if (outcome === "answered") {
      version.answered(now, seconds);
      version.circuit.succeeded(now);
    }
    if (otherCause === "nobody") version.circuit.failed(now);
    if (otherCause === "payer" || (otherCause === "others" && this.#anotherAnsweredSince(beganAt, node))) {
      version.circuit.suspected(now, payer);
    }
    if (outcome === "unreachable" && otherCause === "nobody") this.#node(node).reach.failed(now);
  }

  /**
   * How long a task is expected to take at each of these nodes: for those that run and were just offered, at the median
   * of those that it answered. Who was not measured yet is taken for as fast as the fastest.
   */
  candidates<Node extends { address: string }>(nodes: readonly Node[], versionId: string) {
    const now = this.#clock();
    const medians = nodes.map(({ address }) => this.#medianSeconds(address, versionId, now));
    const fastest = Math.min(...medians.filter((median) => median !== undefined));
    const unknown = Number.isFinite(fastest) ? fastest : LEAST_SECONDS;
    return nodes.map((node, index) => {
      const known = this.#nodes.get(node.address);
      const tasks = known ? runningAt(known) + recentOffers(known, now) : 0;
      const suspicion = known?.versions.get(versionId)?.circuit.suspicion(now) ?? 0;
      const waitSeconds = (tasks + 1) * Math.max(medians[index] ?? unknown, LEAST_SECONDS) * (1 + suspicion);
      return { ...node, waitSeconds, lastTurn: known?.lastTurn ?? 0 };
    });
  }

  /** What is published of a node. */
  of(node: string): NodeMeasuresJson {
    const now = this.#clock();
    const known = this.#nodes.get(node);
    const versions = [...(known?.versions ?? [])].filter(([, version]) => !version.isEmpty(now));
    return {
      windowSeconds: WINDOW_SECONDS,
      answers: this.answers(node),
      running: known ? runningAt(known) : 0,
      versions: versions
        .slice(0, MAX_LISTED_VERSIONS)
        .map(([versionId, version]) => measuresOf(versionId, version, now)),
    };
  }

  /** Forgets everybody else, and what is too old. Who is listed is bounded by the registry. */
  keepOnly(listed: ReadonlySet<string>): void {
    const now = this.#clock();
    for (const [node, known] of this.#nodes) {
      for (const [versionId, version] of known.versions) if (version.isEmpty(now)) known.versions.delete(versionId);
      recentOffers(known, now);
      if (!listed.has(node) && runningAt(known) === 0) this.#nodes.delete(node);
    }
  }

  #anotherAnsweredSince(since: number, node: string): boolean {
    const others = [...this.#nodes].filter(([address]) => address !== node);
    return others.some(([, { versions }]) => [...versions.values()].some((each) => each.lastAnsweredAt >= since));
  }

  #medianSeconds(node: string, versionId: string, now: number): number | undefined {
    return this.#nodes.get(node)?.versions.get(versionId)?.percentileSeconds(0.5, now);
  }

  #node(node: string): NodeState {
    const known = this.#nodes.get(node) ?? newNode();
    this.#nodes.set(node, known);
    return known;
  }

  #version(node: string, versionId: string): VersionMeasures {
    const { versions } = this.#node(node);
    const known = versions.get(versionId) ?? new VersionMeasures();
    versions.set(versionId, known);
    return known;
  }
}

function newNode(): NodeState {
  return { reach: new Circuit(reachLimits), versions: new Map(), offers: [], lastTurn: 0 };
}

function runningAt({ versions }: NodeState): number {
  return [...versions.values()].reduce((sum, { running }) => sum + running, 0);
}

function recentOffers(known: NodeState, now: number): number {
  known.offers = known.offers.filter((at) => at > now - OFFER_SECONDS);
  return known.offers.length;
}

function measuresOf(versionId: string, version: VersionMeasures, now: number): NodeMeasuresJson["versions"][number] {
  const { counts, circuit, running } = version;
  const tasks = Object.fromEntries(taskOutcomes.map((outcome) => [outcome, counts.of(outcome, now)]));
  return {
    versionId,
    state: circuit.state(now),
    running,
    tasks: tasks as Record<TaskOutcome, number>,
    medianSeconds: version.percentileSeconds(0.5, now) ?? null,
    p95Seconds: version.percentileSeconds(0.95, now) ?? null,
  };
}
