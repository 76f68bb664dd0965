import { caip2, type Network } from "../protocol/network.ts";
import type { Task } from "../protocol/task.ts";
import type { AdmittedNode, NodeRecord } from "./admittedNode.ts";
import type { ChainReader } from "./chainReader.ts";
import type { ClientState } from "./clientState.ts";
import type { Clock } from "./fetch.ts";
import { pinNode } from "./nodePins.ts";
import { nodeRefused } from "./nodeRefusal.ts";
import { readAdmission, readIsActive, readNode, readUrl } from "./nodeRegistry.ts";

/**
 * For how long a node that was found active is not asked about again. Every verifier asks the registry itself when it gets a
 * task, so a node that is ended within this time gets no certificate, and what was locked for it returns.
 */
const CHECK_SECONDS = 30;

/** What nodes are checked with. */
export interface AdmittedNodesDependencies {
  chain: ChainReader;
  network: Network;
  state: ClientState;
  clock: Clock;
  /** Those that the payer insists on; any that is approved where left out. */
  measurements?: readonly string[] | undefined;
}

/** Holds nodes that a gateway names to the registry, by the payer's own reader of the chain. */
export class AdmittedNodes {
  readonly #with: AdmittedNodesDependencies;
  readonly #registry: string;
  readonly #known = new Map<string, { record: Promise<NodeRecord>; untilSeconds: number }>();
  readonly #described = new WeakMap<NodeRecord, Promise<AdmittedNode>>();

  constructor(dependencies: AdmittedNodesDependencies) {
    this.#with = dependencies;
    this.#registry = dependencies.network.contracts.nodeRegistry;
  }

  /**
   * Checks the node of a task, which must be admitted for as long as a signature for the task is good for anything.
   *
   * @throws OpgError `node_refused`, `chain_unavailable`
   */
  async forTask({ node, deadline }: Pick<Task, "node" | "deadline">): Promise<NodeRecord> {
    const known = await this.active(node);
    if (known.leaseUntil >= deadline) return known;
    this.forget(node);
    const renewed = await this.active(node);
    if (renewed.leaseUntil >= deadline) return renewed;
    throw nodeRefused(node, "lease_too_short", { leaseUntil: renewed.leaseUntil });
  }

  /** An active node, seen so some seconds ago at most. @throws OpgError `node_refused`, `chain_unavailable` */
  active(node: string): Promise<NodeRecord> {
    const now = this.#with.clock();
    const known = this.#known.get(node);
    if (known && now < known.untilSeconds) return known.record;
    for (const [other, { untilSeconds }] of this.#known) if (untilSeconds <= now) this.#known.delete(other);
    const record = this.#read(node);
    this.#known.set(node, { record, untilSeconds: now + CHECK_SECONDS });
    record.catch(() => this.forget(node));
    return record;
  }

  /** The same with what is not needed to pay it, read once. @throws OpgError `node_refused`, `chain_unavailable` */
  async describe(node: string): Promise<AdmittedNode> {
    const record = await this.active(node);
    const known = this.#described.get(record);
    if (known) return known;
    const described = this.#describe(record);
    this.#described.set(record, described);
    described.catch(() => this.#described.delete(record));
    return described;
  }

  /** Has a node read anew the next time. */
  forget(node: string): void {
    this.#known.delete(node);
  }

  async #describe(record: NodeRecord): Promise<AdmittedNode> {
    const { chain } = this.#with;
    const [admission, url] = await Promise.all([
      readAdmission(chain, this.#registry, record),
      readUrl(chain, this.#registry, record.node),
    ]);
    return { ...record, ...admission, url };
  }

  async #read(node: string): Promise<NodeRecord> {
    const { chain, network, state } = this.#with;
    const [record, isActive] = await Promise.all([
      readNode(chain, this.#registry, node),
      readIsActive(chain, this.#registry, node),
    ]);
    this.#requireActive(record, isActive);
    await pinNode(state, `${caip2(network)}:${this.#registry}`, record);
    return record;
  }

  #requireActive({ node, status, leaseUntil, measurement }: NodeRecord, isActive: boolean): void {
    const { clock, measurements } = this.#with;
    if (status === "none") throw nodeRefused(node, "not_admitted");
    if (status !== "active") throw nodeRefused(node, status);
    if (leaseUntil <= clock()) throw nodeRefused(node, "lease_ended", { leaseUntil });
    if (!isActive) throw nodeRefused(node, "measurement_ended", { measurement });
    if (measurements && !measurements.includes(measurement)) {
      throw nodeRefused(node, "measurement_not_accepted", { measurement });
    }
  }
}
