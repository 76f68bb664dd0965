import { formatEther } from "ethers";
import { ownWallet } from "./openNetwork.ts";
import { readAddress } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { allowanceText, opgText } from "./trailText.ts";

/** `opg balance`: what an account holds, has allowed Permit2 to move, and may withdraw. */
export default networkTask<{ address: string }>(async (opened, options) => {
  const { provider, opg, taskEscrow } = opened;
  const account = options.address === "" ? ownWallet(opened).address : readAddress(options.address);
  const [ether, held, allowed, earned] = await Promise.all([
    provider.getBalance(account),
    opg.balanceOf(account),
    opg.allowanceToPermit2(account),
    taskEscrow.earningsOf(account),
  ]);
  print(account);
  print(`  holds    ${opgText(held)} and ${formatEther(ether)} ether`);
  print(`  Permit2  may move ${allowanceText(allowed)}`);
  print(`  earned   ${opgText(earned)}, not withdrawn yet`);
});
