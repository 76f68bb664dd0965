import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { deployNetwork } from "#deploy/deployNetwork.ts";
import { parametersOf } from "#deploy/parameters.ts";
import { verifyNetwork } from "#deploy/verifyNetwork.ts";
import { profileDigest } from "#execution/profile.ts";
import { stateFolder } from "#scripts/network/places.ts";
import { chosenNetwork, LOCAL_CHAIN_ID } from "./openNetwork.ts";
import { plainTask, print } from "./runTask.ts";

/** `opg deploy`: the contracts on the chain that `--network` names, the running local one where none is named. */
export default plainTask<{ verify: boolean }>(async ({ verify }, hre) => {
  const connection = await hre.network.create(chosenNetwork(hre) ?? "local");
  try {
    const chainId = Number(await connection.provider.request({ method: "eth_chainId" }));
    const parameters = parametersOf(connection.networkName, simulatedMeasurement(profileDigest));
    const records = chainId === LOCAL_CHAIN_ID ? { recordsFolder: stateFolder } : {};
    const deployed = await deployNetwork({ hre, connection, ...records }, parameters);
    print(`OPG on chain ${deployed.chainId}, from block ${deployed.deploymentBlock} on:`);
    for (const [name, address] of Object.entries(deployed.contracts)) print(`  ${name.padEnd(14)} ${address}`);
    if (!verify) return;
    for (const { contract, explorer, problem } of await verifyNetwork(hre, { deployed, parameters })) {
      print(`${contract} at ${explorer}: ${problem ?? "verified"}`);
    }
  } finally {
    await connection.close();
  }
});
