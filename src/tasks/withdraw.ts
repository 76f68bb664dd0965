import { submitCall } from "#chain/submitCall.ts";
import { ownWallet } from "./openNetwork.ts";
import { readAddress } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { opgText } from "./trailText.ts";

/** `opg withdraw`: pays out what an account has earned; anyone may send it, the account gets it. */
export default networkTask<{ address: string }>(async (opened, options) => {
  const wallet = ownWallet(opened);
  const account = options.address === "" ? wallet.address : readAddress(options.address);
  const earned = await opened.taskEscrow.earningsOf(account);
  if (earned === 0n) return print(`${account} has nothing to withdraw.`);
  const receipt = await submitCall(wallet, opened.taskEscrow.populateWithdraw(account));
  print(`${account} got ${opgText(earned)} (${receipt.hash}).`);
});
