import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { type MeasurementEvent, measurementEvents } from "#chain/nodeEvents.ts";
import { profileDigest } from "#execution/profile.ts";
import { blockTime } from "./blockTime.ts";
import { windowText } from "./nodeText.ts";
import { networkTask, print } from "./runTask.ts";
import { timeText } from "./timeText.ts";

/** `opg measurements`: what governance approved, each with its window now and the nodes that run under it. */
export default networkTask<object>(async ({ network, provider, nodeRegistry }) => {
  const { deploymentBlock } = network;
  const events = await measurementEvents(provider, nodeRegistry.address, { fromBlock: deploymentBlock });
  if (events.length === 0) return print("No measurement was approved yet.");
  const nodes = await nodeRegistry.listNodes();
  const now = await blockTime(provider);
  const newest = new Map<string, MeasurementEvent>();
  for (const event of events) newest.set(event.measurement, event);
  for (const [measurement, { blockNumber, ...window }] of newest) {
    const under = nodes.filter((node) => node.isActive && node.measurement === measurement).length;
    const setAt = timeText(await blockTime(provider, blockNumber));
    print(`${measurement}  ${windowText(window, now)}`);
    if (measurement === simulatedMeasurement(profileDigest)) print("  states       this code, on a simulated platform");
    print(`  set          in block ${blockNumber}, ${setAt}`);
    print(`  active       ${under} node${under === 1 ? "" : "s"}`);
  }
});
