import type { Dispatcher } from "undici";
import type { ListedNode, NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { OpgError } from "#protocol/errors.ts";
import { nodeInfoJson } from "#protocol/messages.ts";
import type { Clock } from "#service/clock.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Logger } from "#service/logger.ts";
import { pinnedDispatcher } from "#service/pinnedDispatcher.ts";
import { NodeMeasures } from "./nodeMeasures.ts";
import { pickNode } from "./pickNode.ts";

const CACHE_SECONDS = 3;
const INFO_TIMEOUT_SECONDS = 2;
const INFO_MAX_BYTES = 1024 * 1024;
/** So many nodes are asked for one payment before the gateway gives up. */
const MAX_ASKED = 3;

/** An active node that answers, and how to reach it. */
export interface ServingNode {
  /** Signing address of the enclave. */
  address: string;
  url: string;
  /** Speaks only to the TLS key that the registry names for this node. */
  dispatcher: Dispatcher;
  /** versionIds that it says it can run. */
  versions: readonly string[];
  /** Key configuration for sealed requests, as it says. */
  hpkeConfig: string;
}

/** An active node. */
export interface ActiveNode {
  registered: ListedNode;
  /** Unless it does not answer. */
  serving: ServingNode | undefined;
}

/** What a directory reads from. */
export interface NodeDirectoryDependencies {
  registry: Pick<NodeRegistryAdapter, "readNodes" | "node" | "isActive" | "urlOf">;
  clock: Clock;
  logger: Logger;
  /** At least 0, below 1. */
  random: () => number;
}

type Place = Pick<ListedNode, "address" | "url" | "tlsKeyHash">;

/** The nodes that may take tasks now: active in the registry, answering under their registered TLS key. */
export class NodeDirectory {
  readonly #registry: NodeDirectoryDependencies["registry"];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #dispatchers = new Map<string, Dispatcher>();
  /** Whoever gives a node a task counts it here. */
  readonly measures: NodeMeasures;
  #known: { nodes: Promise<ActiveNode[]>; untilSeconds: number } | undefined;

  constructor({ registry, clock, logger, random }: NodeDirectoryDependencies) {
    this.#registry = registry;
    this.#clock = clock;
    this.#logger = logger;
    this.#random = random;
    this.measures = new NodeMeasures(clock);
  }

  /** Every active node, at most a few seconds old. */
  async listActive(): Promise<ActiveNode[]> {
    const now = this.#clock();
    if (!this.#known || this.#known.untilSeconds <= now) {
      const nodes = this.#readAll();
      this.#known = { nodes, untilSeconds: now + CACHE_SECONDS };
      nodes.catch(() => (this.#known = undefined));
    }
    return this.#known.nodes;
  }

  /** Every node that answers, at most a few seconds old. */
  async list(): Promise<ServingNode[]> {
    const active = await this.listActive();
    const serving = active.map((node) => node.serving).filter((node) => node !== undefined);
    return serving.filter(({ address }) => this.measures.answers(address));
  }

  /**
   * Picks a node that serves a version: by what it is expected to take, among those with room; where none has, among all
   * that are not shut out.
   *
   * @param except - nodes that were just found gone
   * @throws OpgError `no_active_node`
   */
  async pick(versionId: string, except: readonly string[] = []): Promise<ServingNode> {
    const eligible = await this.#eligible(versionId, except);
    const free = eligible.filter((node) => this.#hasRoom(node, versionId));
    const candidates = this.measures.candidates(free.length > 0 ? free : eligible, versionId);
    const picked = pickNode(candidates, this.#random);
    if (!picked) throw noActiveNode(versionId);
    this.measures.offered(picked.address);
    return picked;
  }

  /**
   * Picks a node and asks whether it is there at this very moment; where it is not, another.
   *
   * @param except - nodes that were just found gone
   * @throws OpgError `no_active_node`
   */
  async pickAnswering(versionId: string, except: readonly string[] = []): Promise<ServingNode> {
    const gone = [...except];
    while (gone.length < MAX_ASKED) {
      const { address } = await this.pick(versionId, gone);
      const serving = await this.findServing(address, versionId);
      if (serving) return serving;
      gone.push(address);
    }
    throw noActiveNode(versionId);
  }

  /** Whether some other node that serves a version has room for a task. */
  async hasAnotherWithRoom(versionId: string, than: string): Promise<boolean> {
    return (await this.#eligible(versionId, [than])).some((node) => this.#hasRoom(node, versionId));
  }

  /**
   * The named node if it may take a task of this version at this very moment, asked anew. Where it may not, it is listed as it
   * is now: gone, or with the versions that it says.
   */
  async findServing(address: string, versionId: string): Promise<ServingNode | undefined> {
    const serving = await this.#askAnew(address);
    if (serving?.versions.includes(versionId)) return serving;
    this.#relist(address, serving);
    return undefined;
  }

  /** Has a node not offered again until all are asked anew. */
  leaveOut(address: string): void {
    this.#relist(address, undefined);
  }

  /**
   * Payments name whom they like, with versions as they like: only who was listed is listed otherwise, and nobody else is
   * asked for it.
   */
  #relist(address: string, serving: ServingNode | undefined): void {
    if (!this.#known) return;
    const nodes = this.#known.nodes.then((listed) =>
      listed.map((node) => (node.registered.address === address ? { ...node, serving } : node)),
    );
    this.#known = { ...this.#known, nodes };
    nodes.catch(() => (this.#known = undefined));
  }

  /** Closes connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  async #eligible(versionId: string, except: readonly string[]): Promise<ServingNode[]> {
    const serving = (await this.list()).filter(({ versions }) => versions.includes(versionId));
    return serving.filter(
      ({ address }) => !except.includes(address) && !this.measures.isShutOut({ node: address, versionId }),
    );
  }

  #hasRoom({ address }: ServingNode, versionId: string): boolean {
    return this.measures.hasRoom({ node: address, versionId });
  }

  async #askAnew(address: string): Promise<ServingNode | undefined> {
    const [registered, isActive, url] = await Promise.all([
      this.#registry.node(address),
      this.#registry.isActive(address),
      this.#registry.urlOf(address),
    ]);
    return isActive ? this.#ask({ address, url, tlsKeyHash: registered.tlsKeyHash }) : undefined;
  }

  /** Who did not answer is not asked at every turn: everybody would wait for it. */
  async #readAll(): Promise<ActiveNode[]> {
    const { nodes, unread } = await this.#registry.readNodes();
    const active = nodes.filter(({ isActive }) => isActive);
    for (const { address, error } of unread) {
      if (active.length === 0) throw error;
      this.#logger.warn({ err: error, node: address }, "node left out: the chain did not answer for it");
    }
    this.measures.keepOnly(new Set([...active, ...unread].map(({ address }) => address)));
    return Promise.all(
      active.map(async (registered) => {
        const isOpen = this.measures.reachOf(registered.address).state(this.#clock()) === "open";
        return { registered, serving: isOpen ? undefined : await this.#ask(registered) };
      }),
    );
  }

  async #ask({ address, url, tlsKeyHash }: Place): Promise<ServingNode | undefined> {
    if (!URL.canParse(url)) return undefined;
    const reach = this.measures.reachOf(address);
    try {
      const serving = await this.#askInfo({ address, url, tlsKeyHash });
      reach.succeeded(this.#clock());
      return serving;
    } catch (error) {
      this.#logger.warn({ err: error, node: address }, "node left out");
      reach.failed(this.#clock());
      return undefined;
    }
  }

  async #askInfo({ address, url, tlsKeyHash }: Place): Promise<ServingNode> {
    const dispatcher = this.#dispatcherFor(tlsKeyHash);
    const base = withSlash(url);
    const { versions, hpkeConfig } = await httpCall({
      method: "GET",
      url: new URL("info", base).href,
      answer: nodeInfoJson,
      timeoutSeconds: INFO_TIMEOUT_SECONDS,
      unavailable: "node_unavailable",
      dispatcher,
      maxBytes: INFO_MAX_BYTES,
    });
    return { address, url: base, dispatcher, versions, hpkeConfig };
  }

  #dispatcherFor(tlsKeyHash: string): Dispatcher {
    const known = this.#dispatchers.get(tlsKeyHash) ?? pinnedDispatcher(tlsKeyHash);
    this.#dispatchers.set(tlsKeyHash, known);
    return known;
  }
}

function withSlash(url: string): string {
  return url.endsWith("/") ? url : `${url}/`;
}

function noActiveNode(versionId: string): OpgError {
  const message = "No active node runs this model at the moment; try again in a minute.";
  return new OpgError("no_active_node", message, { versionId });
}
