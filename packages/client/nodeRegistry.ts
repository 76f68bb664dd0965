import { Interface, type Result, toQuantity } from "ethers";
import { z } from "zod";
import { type ChainReader, chainUnavailable } from "./chainReader.ts";
import { identityFields, type NodeAdmission, type NodeIdentity, type NodeRecord } from "./admittedNode.ts";
import { nodeStatuses } from "./onChainFacts.ts";

const abi = new Interface([
  "function nodes(address node) view returns (tuple(address operator, uint40 leaseUntil, uint32 sequence, uint8 status, address payout, bytes32 measurement, uint64 admittedInBlock, bytes32 tlsKeyHash))",
  "function isActive(address node) view returns (bool)",
  "function urlOf(address node) view returns (string)",
  "event NodeAdmitted(address indexed node, address indexed operator, bytes32 indexed measurement, address payout, bytes32 tlsKeyHash, bytes32 hpkeKeyHash, bytes32 evidenceHash, uint40 leaseUntil, uint32 sequence)",
]);

const logsJson = z.array(z.looseObject({ address: z.string(), topics: z.array(z.string()), data: z.string() }));

/** Reads a node's entry. @throws OpgError `chain_unavailable` */
export async function readNode(chain: ChainReader, registry: string, node: string): Promise<NodeRecord> {
  const [entry] = (await chain.call(registry, abi, "nodes", [node])) as unknown as [Result];
  const { status, leaseUntil, sequence, admittedInBlock, ...identity } = entry.toObject() as Omit<
    NodeIdentity,
    "node"
  > &
    Record<"status" | "leaseUntil" | "sequence" | "admittedInBlock", bigint>;
  return {
    ...{ node, ...identity, status: nodeStatuses[Number(status)] ?? "none" },
    ...{ leaseUntil: Number(leaseUntil), sequence: Number(sequence), admittedInBlock: Number(admittedInBlock) },
  };
}

/** Whether a node may take tasks now: status, lease and measurement together. @throws OpgError `chain_unavailable` */
export async function readIsActive(chain: ChainReader, registry: string, node: string): Promise<boolean> {
  return (await chain.call(registry, abi, "isActive", [node]))[0] === true;
}

/** Where a node's operator says that it is reached. @throws OpgError `chain_unavailable` */
export async function readUrl(chain: ChainReader, registry: string, node: string): Promise<string> {
  return String((await chain.call(registry, abi, "urlOf", [node]))[0]);
}

/** Reads the event of the admission that an entry is of. @throws OpgError `chain_unavailable` */
export async function readAdmission(chain: ChainReader, registry: string, record: NodeRecord): Promise<NodeAdmission> {
  const block = toQuantity(record.admittedInBlock);
  const topics = abi.encodeFilterTopics("NodeAdmitted", [record.node]);
  const logs = await chain.request(
    "eth_getLogs",
    [{ address: registry, topics, fromBlock: block, toBlock: block }],
    logsJson,
  );
  const admissions = logs
    .filter(({ address }) => address.toLowerCase() === registry.toLowerCase())
    .map(
      (log) => abi.parseLog(log)?.args.toObject() as (NodeIdentity & NodeAdmission & { sequence: bigint }) | undefined,
    );
  const admission = admissions.find((one) => one && isOf(one, record));
  if (!admission) throw chainUnavailable(chain.url, `shows no admission of ${record.node} that fits its entry`);
  return { hpkeKeyHash: admission.hpkeKeyHash, evidenceHash: admission.evidenceHash };
}

function isOf(event: NodeIdentity & { sequence: bigint }, record: NodeRecord): boolean {
  return identityFields.every((field) => event[field] === record[field]) && Number(event.sequence) === record.sequence;
}
