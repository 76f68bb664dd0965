import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { nodeEvents, nodeWork } from "#chain/nodeEvents.ts";
import { someAtOnce } from "#chain/someAtOnce.ts";
import { profileDigest } from "#execution/profile.ts";
import { blockTime } from "./blockTime.ts";
import { nodeText } from "./nodeText.ts";
import { readAddress, readNode } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";

/** `opg nodes show`: all that the chain tells of a node, in words. */
export default networkTask<{ address: string }>(async (opened, options) => {
  const { network, provider, nodeRegistry, batches } = opened;
  const node = await readNode(nodeRegistry, readAddress(options.address));
  const { address } = node;
  const range = { fromBlock: network.deploymentBlock, toBlock: await provider.getBlockNumber() };
  const [isActive, url, window, maxLeaseSeconds, now, history, work, credits] = await Promise.all([
    nodeRegistry.isActive(address),
    nodeRegistry.urlOf(address),
    nodeRegistry.measurementWindow(node.measurement),
    nodeRegistry.maxLeaseSeconds(),
    blockTime(provider),
    nodeEvents(provider, nodeRegistry.address, address, range),
    nodeWork(provider, network.contracts.settlement, address, range),
    batches.creditsOf(node.payout, range),
  ]);
  const dated = await someAtOnce(history, async (event) => ({
    ...event,
    seconds: await blockTime(provider, event.blockNumber),
  }));
  const inBatches = credits.reduce((sum, { nodeAmount }) => sum + nodeAmount, 0n);
  const evidenceRoots = network.parameters.evidenceRoots ?? {};
  const isSimulated = node.measurement === simulatedMeasurement(profileDigest);
  const facts = { node, isActive, url, window, maxLeaseSeconds, now, history: dated, work, inBatches };
  print(nodeText({ ...facts, evidenceRoots, isSimulated }));
});
