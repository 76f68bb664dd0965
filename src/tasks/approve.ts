import { MaxUint256 } from "ethers";
import { submitCall } from "#chain/submitCall.ts";
import { ownWallet } from "./openNetwork.ts";
import { readOpg } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { allowanceText } from "./trailText.ts";

/** `opg approve`: lets Permit2 move the account's OPG; each payment still needs the account's signature. */
export default networkTask<{ amount: string }>(async (opened, options) => {
  const wallet = ownWallet(opened);
  const amount = options.amount === "" ? MaxUint256 : readOpg(options.amount);
  const receipt = await submitCall(wallet, opened.opg.populateApprovePermit2(amount));
  print(
    `Permit2 may move ${allowanceText(amount)} of ${wallet.address}, each time with its signature (${receipt.hash}).`,
  );
});
