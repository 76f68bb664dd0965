import { type Log, type Provider, zeroPadValue } from "ethers";
import { INodeRegistry__factory, ISettlement__factory } from "#typechain/index.ts";
import { type BlockRange, type LogPlace, placeOf, searchBlocks } from "./blockRange.ts";

/** Something that happened to a node. */
export type NodeEvent = LogPlace &
  (
    | { name: "NodeAdmitted"; sequence: number; leaseUntil: number; hpkeKeyHash: string; evidenceHash: string }
    | { name: "NodeAnnounced"; url: string }
    | { name: "NodeRetired" | "NodeRevoked" }
  );

/** What became of a node's tasks one by one, not in batches; atomic units. */
export interface NodeWork {
  settled: number;
  earned: bigint;
  refused: number;
}

/** The window that governance gave a measurement, seconds since 1970. */
export interface MeasurementEvent extends LogPlace {
  measurement: string;
  from: number;
  until: number;
}

const abi = INodeRegistry__factory.createInterface();
const ownTopics = (["NodeAdmitted", "NodeAnnounced", "NodeRetired", "NodeRevoked"] as const).map(
  (name) => abi.getEvent(name).topicHash,
);

/** What happened to a node, in the order of the chain. @param nodeRegistry - its address */
export function nodeEvents(
  provider: Provider,
  nodeRegistry: string,
  node: string,
  range: BlockRange,
): Promise<NodeEvent[]> {
  const topics = [ownTopics, zeroPadValue(node, 32)];
  return searchBlocks(provider, range, async (fromBlock, toBlock) => {
    const logs = await provider.getLogs({ address: nodeRegistry, topics, fromBlock, toBlock });
    return logs.flatMap((log) => eventIn(log) ?? []);
  });
}

/** How a node's tasks ended. @param settlement - its address */
export async function nodeWork(
  provider: Provider,
  settlement: string,
  node: string,
  range: BlockRange,
): Promise<NodeWork> {
  const contract = ISettlement__factory.connect(settlement, provider);
  const { TaskSettled, TaskRefused } = contract.filters;
  const [settled, refused] = await Promise.all([
    searchBlocks(provider, range, (from, to) => contract.queryFilter(TaskSettled(undefined, node), from, to)),
    searchBlocks(provider, range, (from, to) => contract.queryFilter(TaskRefused(undefined, node), from, to)),
  ]);
  const earned = settled.reduce((sum, { args }) => sum + args.nodeAmount, 0n);
  return { settled: settled.length, earned, refused: refused.length };
}

/** What governance said about measurements, in the order of the chain. @param nodeRegistry - its address */
export function measurementEvents(
  provider: Provider,
  nodeRegistry: string,
  range: BlockRange,
): Promise<MeasurementEvent[]> {
  const contract = INodeRegistry__factory.connect(nodeRegistry, provider);
  return searchBlocks(provider, range, async (from, to) => {
    const logs = await contract.queryFilter(contract.filters.MeasurementSet(), from, to);
    return logs.map((log) => {
      const { measurement, from: opens, until } = log.args;
      return { measurement, from: Number(opens), until: Number(until), ...placeOf(log) };
    });
  });
}

function eventIn(log: Log): NodeEvent | undefined {
  const described = abi.parseLog(log);
  if (!described) return undefined;
  const { name, args } = described;
  switch (name) {
    case "NodeAdmitted": {
      const { sequence, leaseUntil, hpkeKeyHash, evidenceHash } = args.toObject() as Record<string, unknown>;
      const terms = { sequence: Number(sequence), leaseUntil: Number(leaseUntil) };
      const hashes = { hpkeKeyHash: String(hpkeKeyHash), evidenceHash: String(evidenceHash) };
      return { name, ...terms, ...hashes, ...placeOf(log) };
    }
    case "NodeAnnounced":
      return { name, url: String(args["url"]), ...placeOf(log) };
    case "NodeRetired":
    case "NodeRevoked":
      return { name, ...placeOf(log) };
    default:
      return undefined;
  }
}
