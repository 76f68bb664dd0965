import type { NetworkParameters } from "#deploy/parameters.ts";
import type { DeploymentRecord } from "#deploy/records.ts";
import type { Network } from "#protocol/network.ts";
import type { Ports } from "./places.ts";

/** What a network's description is made from. */
export interface DescribedNetwork {
  name: string;
  rpcUrl: string;
  deployed: DeploymentRecord;
  parameters: NetworkParameters;
  host: string;
  ports: Ports;
}

/** Writes a network's description for daemons that all run on one host. */
export function describeNetwork({ name, rpcUrl, deployed, parameters, host, ports }: DescribedNetwork): Network {
  const at = (port = 0): string => `http://${host}:${port}`;
  const { evidenceRoots, verifiers } = parameters;
  const { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds } = parameters;
  return {
    name,
    chainId: deployed.chainId,
    rpcUrl,
    deploymentBlock: deployed.deploymentBlock,
    contracts: deployed.contracts,
    parameters: {
      maxTaskSeconds,
      settleWindowSeconds,
      withdrawDelaySeconds,
      ...(evidenceRoots ? { evidenceRoots } : {}),
    },
    hub: at(ports.hub),
    gateway: at(ports.gateway),
    facilitators: deployed.facilitators.map((facilitator) => ({ ...facilitator, url: at(ports.facilitator) })),
    verifiers: verifiers.map((address, index) => ({ address, url: at(ports.verifiers[index]) })),
  };
}
