import { type BaseWallet, id } from "ethers";
import type { Call } from "#chain/call.ts";
import { submitCall } from "#chain/submitCall.ts";
import type { TimelockAdapter } from "#chain/timelock.ts";
import { OpgError } from "#protocol/errors.ts";
import { timeText } from "./timeText.ts";

/**
 * Takes a call of governance one step further: schedules it at the timelock, or executes it once it has waited there. Asked again
 * later it goes on where it stood, whoever began; a call that was executed before begins anew.
 *
 * @param chainSeconds - time of the newest block, which the timelock goes by
 * @returns what was done, and what is to be done next, in one line
 * @throws OpgError `configuration` naming what is to be sent, where this wallet may not send it
 */
export async function govern(
  timelock: TimelockAdapter,
  wallet: BaseWallet,
  call: Call,
  chainSeconds: number,
): Promise<string> {
  const { salt, readyAt } = await pendingOf(timelock, call);
  if (readyAt === undefined) {
    const delaySeconds = await timelock.minDelaySeconds();
    const schedule = timelock.populateSchedule(call, salt, delaySeconds);
    if (!(await timelock.mayPropose(wallet.address))) throw notAllowed(wallet, schedule, "propose to");
    const { blockNumber, hash } = await submitCall(wallet, schedule);
    return `Scheduled in block ${blockNumber} (${hash}); run the same command again in ${delaySeconds} s to execute it.`;
  }
  if (chainSeconds < readyAt) return `Waits until ${timeText(readyAt)}; run the same command again then to execute it.`;
  const execute = timelock.populateExecute(call, salt);
  if (!(await timelock.mayExecute(wallet.address))) throw notAllowed(wallet, execute, "execute at");
  const { blockNumber, hash } = await submitCall(wallet, execute);
  return `Executed in block ${blockNumber} (${hash}).`;
}

/** The timelock takes the same call under the same salt once, so each time has the next one. */
async function pendingOf(timelock: TimelockAdapter, call: Call): Promise<{ salt: string; readyAt?: number }> {
  for (let count = 1; ; count++) {
    const salt = id(`OPG call ${count}`);
    const progress = await timelock.progressOf(call, salt);
    if (progress.state === "unset") return { salt };
    if (progress.state === "scheduled") return { salt, readyAt: progress.readyAt };
  }
}

function notAllowed({ address }: BaseWallet, { to, data }: Call, may: string): OpgError {
  const message = `${address} may not ${may} the timelock; have somebody who may send ${data} to ${to}, or set OPG_KEY to such a key.`;
  return new OpgError("configuration", message, { account: address });
}
