import hre from "hardhat";
import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { deployNetwork } from "#deploy/deployNetwork.ts";
import { type NetworkParameters, parametersOf } from "#deploy/parameters.ts";
import type { DeploymentRecord } from "#deploy/records.ts";
import { profileDigest } from "#execution/profile.ts";
import { requireSameDeployment } from "./requireSameDeployment.ts";

/**
 * Deploys the network to a chain of this machine, or finds it there.
 *
 * @param recordsFolder - keeps what makes a second run change nothing
 * @param changed - instead of the usual parameters
 */
export async function deployLocally(
  rpcUrl: string,
  recordsFolder: string,
  changed: Partial<NetworkParameters>,
): Promise<{ deployed: DeploymentRecord; parameters: NetworkParameters }> {
  const parameters = { ...parametersOf("local", simulatedMeasurement(profileDigest)), ...changed };
  await requireSameDeployment(recordsFolder, parameters);
  const connection = await hre.network.create({ network: "local", override: { url: rpcUrl } });
  try {
    return { deployed: await deployNetwork({ hre, connection, recordsFolder }, parameters), parameters };
  } finally {
    await connection.close();
  }
}
