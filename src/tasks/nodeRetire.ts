import { submitCall } from "#chain/submitCall.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { OpgError } from "#protocol/errors.ts";
import { ownWallet } from "./openNetwork.ts";
import { readAddress, readNode } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";

/** `opg nodes retire`: its operator ends a node for good; on a local network the operator's key stands in. */
export default networkTask<{ address: string }>(async (opened, options) => {
  const { nodeRegistry } = opened;
  const { address, operator, status } = await readNode(nodeRegistry, readAddress(options.address));
  if (status !== "active") throw new OpgError("invalid_body", `Node ${address} is ${status} already, for good.`);
  const locals = [localAccount("operator1"), localAccount("operator2")];
  const wallet = ownWallet(
    opened,
    locals.find((local) => local.address === operator),
  );
  if (wallet.address !== operator) {
    const message = `Only ${operator}, its operator, retires node ${address}; set OPG_KEY to that account's key.`;
    throw new OpgError("configuration", message, { operator });
  }
  const { blockNumber, hash } = await submitCall(wallet, nodeRegistry.populateRetire(address));
  print(
    `Node ${address} is retired since block ${blockNumber}, for good (${hash}). What it has finished is still paid.`,
  );
});
