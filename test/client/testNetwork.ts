import type { Network } from "#protocol/network.ts";
import { getAddress } from "ethers";

const addressOf = (digit: string): string => getAddress(`0x${digit.repeat(40)}`);

/** A network that is on no chain, for what is decided before a chain is asked. */
export const testNetwork: Network = {
  name: "test",
  chainId: 31337,
  rpcUrl: "http://chain.test",
  deploymentBlock: 0,
  contracts: {
    opg: addressOf("1"),
    verifierSet: addressOf("2"),
    taskEscrow: addressOf("3"),
    settlement: addressOf("4"),
    nodeRegistry: addressOf("5"),
    modelRegistry: addressOf("6"),
    accessManager: addressOf("7"),
    timelock: addressOf("8"),
    payerReader: addressOf("d"),
  },
  parameters: { maxTaskSeconds: 600, settleWindowSeconds: 300, withdrawDelaySeconds: 1_440 },
  hub: "http://hub.test",
  gateway: "http://gateway.test",
  facilitators: [{ address: addressOf("9"), url: "http://facilitator.test", entry: addressOf("a") }],
  verifiers: [{ address: addressOf("b"), url: "http://verifier.test" }],
};

/** A token that is not OPG. */
export const otherToken = addressOf("c");
/** Whom merchants have paid. */
export const merchant = addressOf("d");
