import { parseEther } from "ethers";
import { submitCall } from "#chain/submitCall.ts";
import { OpgError } from "#protocol/errors.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { LOCAL_CHAIN_ID } from "./openNetwork.ts";
import { readAddress, readOpg } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { opgText } from "./trailText.ts";

const ETHER = parseEther("1");

/** `opg faucet`: OPG and ether out of the local faucet account's. */
export default networkTask<{ address: string; amount: string }>(async ({ network, provider, opg }, options) => {
  if (network.chainId !== LOCAL_CHAIN_ID) {
    throw new OpgError(
      "configuration",
      `There is no faucet on chain ${network.chainId}; it gives on local chains only.`,
    );
  }
  const to = readAddress(options.address);
  const amount = readOpg(options.amount);
  const faucet = localAccount("faucet").connect(provider);
  await submitCall(faucet, { to, data: "0x", value: ETHER });
  const receipt = await submitCall(faucet, opg.populateTransfer(to, amount));
  print(`${to} got ${opgText(amount)} and 1 ether (${receipt.hash}).`);
});
