import { accountKey } from "./accountKey.ts";
import { ownWallet } from "./openNetwork.ts";
import { readAddress } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { timeText } from "./timeText.ts";
import { opgText } from "./trailText.ts";

/** `opg account show`: what the chain says of a prefunded account. */
export default networkTask<{ address: string; facilitator: string }>(async (opened, options) => {
  const { network, accounts } = opened;
  const payer = options.address === "" ? ownWallet(opened).address : readAddress(options.address);
  const key = accountKey(network, payer, options.facilitator);
  const [account, authorizers] = await Promise.all([accounts.accountOf(key), accounts.authorizersOf(key)]);
  print(`${payer} at facilitator ${key.facilitator}`);
  print(`  holds     ${opgText(account.balance)}`);
  print(`  spent     ${opgText(account.spent)} in all`);
  print(`  leaving   ${leavingText(account)}`);
  print(`  signed by ${authorizers.current}${authorizers.current === payer ? ", the payer" : ""}`);
  if (authorizers.previousUntil * 1000 < Date.now()) return;
  print(`            ${authorizers.previous} until ${timeText(authorizers.previousUntil)}`);
});

function leavingText({ withdrawing, withdrawableAt }: { withdrawing: bigint; withdrawableAt: number }): string {
  return withdrawing === 0n ? "nothing" : `${opgText(withdrawing)}, from ${timeText(withdrawableAt)} on`;
}
