import { TimelockAdapter } from "#chain/timelock.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { blockTime } from "./blockTime.ts";
import { govern } from "./govern.ts";
import { type OpenNetwork, ownWallet } from "./openNetwork.ts";
import { print } from "./runTask.ts";

/** Has governance set a measurement's window, one step at a time; on a local network the governor's key stands in. */
export async function setMeasurement(
  opened: OpenNetwork,
  measurement: string,
  window: { from: number; until: number },
): Promise<void> {
  const { network, provider, nodeRegistry } = opened;
  const call = nodeRegistry.populateSetMeasurement(measurement, window);
  const timelock = new TimelockAdapter(network.contracts.timelock, provider);
  const wallet = ownWallet(opened, localAccount("governor"));
  print(await govern(timelock, wallet, call, await blockTime(provider)));
}
