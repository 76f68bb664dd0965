import type { Dispatcher } from "undici";
import type { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { OpgError } from "#protocol/errors.ts";
import { nodeInfoJson } from "#protocol/messages.ts";
import type { Clock } from "#service/clock.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Logger } from "#service/logger.ts";
import { pinnedDispatcher } from "#service/pinnedDispatcher.ts";
import { NodeLoad } from "./nodeLoad.ts";

const CACHE_SECONDS = 3;
const INFO_TIMEOUT_SECONDS = 2;
const INFO_MAX_BYTES = 1024 * 1024;

/** An active node that answers, and how to reach it. */
export interface ServingNode {
  /** Signing address of the enclave. */
  address: string;
  url: string;
  /** Speaks only to the TLS key that the registry names for this node. */
  dispatcher: Dispatcher;
  /** versionIds that it says it can run. */
  versions: readonly string[];
}

/** What a directory reads from. */
export interface NodeDirectoryDependencies {
  registry: Pick<NodeRegistryAdapter, "listNodes" | "node" | "isActive" | "urlOf">;
  clock: Clock;
  logger: Logger;
}

interface RegisteredPlace {
  address: string;
  url: string;
  tlsKeyHash: string;
}

/** The nodes that may take tasks now: active in the registry, answering under their registered TLS key. */
export class NodeDirectory {
  readonly #registry: NodeDirectoryDependencies["registry"];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #dispatchers = new Map<string, Dispatcher>();
  /** The tasks that run now; whoever gives a node one counts it here. */
  readonly load = new NodeLoad();
  #known: { nodes: Promise<ServingNode[]>; untilSeconds: number } | undefined;
  #turn = 0;

  constructor({ registry, clock, logger }: NodeDirectoryDependencies) {
    this.#registry = registry;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Every serving node, at most a few seconds old. */
  async list(): Promise<ServingNode[]> {
    const now = this.#clock();
    if (!this.#known || this.#known.untilSeconds <= now) {
      const nodes = this.#readAll();
      this.#known = { nodes, untilSeconds: now + CACHE_SECONDS };
      nodes.catch(() => (this.#known = undefined));
    }
    return this.#known.nodes;
  }

  /**
   * The next node in turn that serves a version and has room for a task; where none has, the next of all.
   *
   * @param except - a node that has just been found gone
   * @throws OpgError `no_active_node`
   */
  async pick(versionId: string, except?: string): Promise<ServingNode> {
    const all = await this.list();
    const serving = all.filter(({ address, versions }) => address !== except && versions.includes(versionId));
    const free = serving.filter(({ address }) => !this.load.isFull(address));
    const eligible = free.length > 0 ? free : serving;
    const node = eligible[this.#turn++ % Math.max(eligible.length, 1)];
    if (node) return node;
    throw new OpgError("no_active_node", "No active node runs this model at the moment; try again in a minute.", {
      versionId,
    });
  }

  /** The named node if it may take a task of this version at this very moment, asked anew; else it is not offered again. */
  async findServing(address: string, versionId: string): Promise<ServingNode | undefined> {
    const serving = await this.#askAnew(address, versionId);
    if (!serving) this.#leaveOut(address);
    return serving;
  }

  /** Payments name whom they like: only who was listed is taken off the list, and nobody else is asked for it. */
  #leaveOut(address: string): void {
    if (!this.#known) return;
    const nodes = this.#known.nodes.then((listed) => listed.filter((node) => node.address !== address));
    this.#known = { ...this.#known, nodes };
    nodes.catch(() => (this.#known = undefined));
  }

  async #askAnew(address: string, versionId: string): Promise<ServingNode | undefined> {
    const [registered, isActive, url] = await Promise.all([
      this.#registry.node(address),
      this.#registry.isActive(address),
      this.#registry.urlOf(address),
    ]);
    if (!isActive) return undefined;
    const node = await this.#ask({ address, url, tlsKeyHash: registered.tlsKeyHash });
    return node?.versions.includes(versionId) ? node : undefined;
  }

  /** Closes connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  async #readAll(): Promise<ServingNode[]> {
    const listed = await this.#registry.listNodes();
    const asked = await Promise.all(listed.filter(({ isActive }) => isActive).map((node) => this.#ask(node)));
    return asked.filter((node) => node !== undefined);
  }

  async #ask({ address, url, tlsKeyHash }: RegisteredPlace): Promise<ServingNode | undefined> {
    if (!URL.canParse(url)) return undefined;
    const dispatcher = this.#dispatcherFor(tlsKeyHash);
    try {
      const info = await httpCall({
        method: "GET",
        url: new URL("info", withSlash(url)).href,
        answer: nodeInfoJson,
        timeoutSeconds: INFO_TIMEOUT_SECONDS,
        unavailable: "node_unavailable",
        dispatcher,
        maxBytes: INFO_MAX_BYTES,
      });
      return { address, url: withSlash(url), dispatcher, versions: info.versions };
    } catch (error) {
      this.#logger.warn({ err: error, node: address }, "node left out");
      return undefined;
    }
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
