import type { AccountKey } from "#chain/accounts.ts";
import { submitCall } from "#chain/submitCall.ts";
import { accountKey } from "./accountKey.ts";
import { type OpenNetwork, ownWallet } from "./openNetwork.ts";
import { readOpg } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { opgText } from "./trailText.ts";

/** `opg account withdraw`: asks for OPG of one's account back, or pays out what was asked for. */
export default networkTask<{ amount: string; facilitator: string }>(async (opened, options) => {
  const { network, accounts } = opened;
  const key = accountKey(network, ownWallet(opened).address, options.facilitator);
  const { balance, withdrawing, withdrawableAt } = await accounts.accountOf(key);
  if (options.amount !== "") return ask(opened, key, readOpg(options.amount));
  if (withdrawableAt === 0) return balance === 0n ? print("The account is empty.") : ask(opened, key, balance);
  const now = (await opened.provider.getBlock("latest"))?.timestamp ?? 0;
  if (now >= withdrawableAt) return payOut(opened, key);
  print(
    `${opgText(withdrawing)} can be had from ${timeText(withdrawableAt)} on; ask for another amount with --amount.`,
  );
});

async function ask(opened: OpenNetwork, key: AccountKey, amount: bigint): Promise<void> {
  const { accounts } = opened;
  const { hash } = await submitCall(ownWallet(opened), accounts.populateInitiateWithdraw(key.facilitator, amount));
  if (amount === 0n) return print(`Nothing is being withdrawn any more (${hash}).`);
  const { withdrawableAt } = await accounts.accountOf(key);
  print(
    `${opgText(amount)} can be had from ${timeText(withdrawableAt)} on, by the same command without --amount (${hash}).`,
  );
  print("Until then it pays for no new call; what calls before it were charged may still be taken from it.");
}

async function payOut(opened: OpenNetwork, key: AccountKey): Promise<void> {
  const { accounts } = opened;
  const before = (await accounts.accountOf(key)).balance;
  const { hash, blockNumber } = await submitCall(ownWallet(opened), accounts.populateFinalizeWithdraw(key));
  const after = await accounts.accountOf(key, blockNumber);
  print(`${key.payer} got ${opgText(before - after.balance)} (${hash}).`);
}

function timeText(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
