import { type BlockTag, type Provider, ZeroHash } from "ethers";
import type { Admission } from "#protocol/admission.ts";
import { type INodeRegistry, INodeRegistry__factory } from "#typechain/index.ts";
import { BlockFollower, REREAD_BLOCKS } from "./blockFollower.ts";
import type { Call } from "./call.ts";
import { someAtOnce } from "./someAtOnce.ts";

const nodeStatuses = ["none", "active", "retired", "revoked"] as const;

/** A node as it is registered. */
export interface RegisteredNode {
  /** Signing address of the enclave. */
  address: string;
  operator: string;
  payout: string;
  measurement: string;
  tlsKeyHash: string;
  /** Of its newest admission, as is everything below. */
  hpkeKeyHash: string;
  evidenceHash: string;
  /** Seconds since 1970. */
  leaseUntil: number;
  /** 0 for a node never admitted. */
  sequence: number;
  status: (typeof nodeStatuses)[number];
}

/** A node as a listing shows it. */
export interface ListedNode extends RegisteredNode {
  /** Whether it may take tasks now: status, lease and measurement together. */
  isActive: boolean;
  /** Where it is reached; empty until its operator announces it. */
  url: string;
}

/** Every node ever admitted, but for those that a question about failed. */
export interface NodesRead {
  nodes: ListedNode[];
  unread: { address: string; error: unknown }[];
}

/** Seconds since 1970 between which nodes under a measurement may take tasks; both 0 where never approved. */
export interface MeasurementWindow {
  from: number;
  until: number;
}

/** NodeRegistry: nodes whose identity was made inside an enclave. */
export class NodeRegistryAdapter {
  readonly address: string;
  readonly #provider: Provider;
  readonly #contract: INodeRegistry;
  readonly #follower: BlockFollower;
  readonly #admitted = new Set<string>();
  /** Nodes that were found ended, and in which block first; with what they are kept as once no block can take it back. */
  readonly #ended = new Map<string, { since: number; kept?: ListedNode }>();

  /** @param deploymentBlock - where the search for nodes begins */
  constructor(address: string, provider: Provider, deploymentBlock: number) {
    this.address = address;
    this.#provider = provider;
    this.#contract = INodeRegistry__factory.connect(address, provider);
    this.#follower = new BlockFollower(provider, deploymentBlock, async (from, to) => {
      const logs = await this.#contract.queryFilter(this.#contract.filters.NodeAdmitted(), from, to);
      logs.forEach(({ args }) => this.#noticed(args.node, Number(args.sequence)));
    });
  }

  /** Admits a node or renews its lease; `certificate` as `joinSignatures` makes it. */
  populateAdmit(admission: Admission, enclaveSignature: string, certificate: string): Call {
    const { interface: abi } = this.#contract;
    return { to: this.address, data: abi.encodeFunctionData("admit", [admission, enclaveSignature, certificate]) };
  }

  /** Says where a node is reached; only its operator may. */
  populateAnnounce(node: string, url: string): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("announce", [node, url]) };
  }

  /** Ends a node for good; only its operator may. */
  populateRetire(node: string): Call {
    return { to: this.address, data: this.#contract.interface.encodeFunctionData("retire", [node]) };
  }

  /** Ends a node for good, under a certificate of the verifiers. */
  populateRevoke(node: string, epoch: bigint, certificate: string): Call {
    return {
      to: this.address,
      data: this.#contract.interface.encodeFunctionData("revoke", [node, epoch, certificate]),
    };
  }

  /** Sets a measurement's window; only governance may. */
  populateSetMeasurement(measurement: string, { from, until }: MeasurementWindow): Call {
    const { interface: abi } = this.#contract;
    return { to: this.address, data: abi.encodeFunctionData("setMeasurement", [measurement, from, until]) };
  }

  /** A node with everything its newest admission says; of one never admitted all is zero. */
  async node(address: string): Promise<RegisteredNode> {
    const node = await this.#contract.nodes(address);
    const admitted = await this.#newestAdmission(address, Number(node.admittedInBlock));
    return {
      address,
      operator: node.operator,
      payout: node.payout,
      measurement: node.measurement,
      tlsKeyHash: node.tlsKeyHash,
      hpkeKeyHash: admitted?.hpkeKeyHash ?? ZeroHash,
      evidenceHash: admitted?.evidenceHash ?? ZeroHash,
      leaseUntil: Number(node.leaseUntil),
      sequence: Number(node.sequence),
      status: nodeStatuses[Number(node.status)] ?? "none",
    };
  }

  /** Whether a node may take new tasks now. */
  isActive(node: string, blockTag: BlockTag = "latest"): Promise<boolean> {
    return this.#contract.isActive(node, { blockTag });
  }

  /** Where a node is reached; empty until its operator announces it. */
  urlOf(node: string): Promise<string> {
    return this.#contract.urlOf(node);
  }

  async measurementWindow(measurement: string): Promise<MeasurementWindow> {
    const { from, until } = await this.#contract.measurements(measurement);
    return { from: Number(from), until: Number(until) };
  }

  admissionsPaused(): Promise<boolean> {
    return this.#contract.admissionsPaused();
  }

  /** The longest lease that an admission may ask for. */
  async maxLeaseSeconds(): Promise<number> {
    return Number(await this.#contract.MAX_LEASE_SECONDS());
  }

  /** Every node ever admitted, as `readNodes` reads it. @throws what a question about any of them failed with */
  async listNodes(): Promise<ListedNode[]> {
    const { nodes, unread } = await this.readNodes();
    for (const { error } of unread) throw error;
    return nodes;
  }

  /**
   * Every node ever admitted, as it stands now. Who was admitted is remembered between calls. Who was retired or revoked some
   * blocks ago is not asked about again, which is final; nor whose lease ended, until it is admitted again.
   */
  async readNodes(): Promise<NodesRead> {
    const number = await this.#follower.catchUp();
    const block = { number, timestamp: (await this.#provider.getBlock(number))?.timestamp ?? 0 };
    const unread: NodesRead["unread"] = [];
    const nodes = await someAtOnce([...this.#admitted], (address) =>
      this.#listed(address, block).catch((error: unknown) => {
        unread.push({ address, error });
        return undefined;
      }),
    );
    return { nodes: nodes.flatMap((node) => (node && node.status !== "none" ? [node] : [])), unread };
  }

  /** An admission was seen, perhaps again. */
  #noticed(address: string, sequence: number): void {
    this.#admitted.add(address);
    const kept = this.#ended.get(address)?.kept;
    if (kept && kept.sequence < sequence) this.#ended.delete(address);
  }

  async #listed(address: string, block: { number: number; timestamp: number }): Promise<ListedNode> {
    const ended = this.#ended.get(address);
    if (ended?.kept) return ended.kept;
    const [node, isActive, url] = await Promise.all([this.node(address), this.isActive(address), this.urlOf(address)]);
    const listed = { ...node, isActive, url };
    const isFinal = node.status === "retired" || node.status === "revoked";
    const since = ended?.since ?? block.number;
    if (!isFinal && node.leaseUntil > block.timestamp) this.#ended.delete(address);
    else this.#ended.set(address, block.number - since < REREAD_BLOCKS ? { since } : { since, kept: listed });
    return listed;
  }

  async #newestAdmission(node: string, block: number) {
    if (block === 0) return undefined;
    const logs = await this.#contract.queryFilter(this.#contract.filters.NodeAdmitted(node), block, block);
    return logs.at(-1)?.args;
  }
}
