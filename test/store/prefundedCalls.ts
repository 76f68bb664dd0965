import { id, Wallet } from "ethers";
import { policies, type Task } from "#protocol/task.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import type { Charge } from "#store/prefundedEndings.ts";
import type { Reservation } from "#store/prefundedReservations.ts";

/** What accounts of these tests are asked to pay, atomic units. */
export const CEILING = 10n;

let payers = 0;
let tasks = 0;

/** Somebody new. */
export function newPayer(): string {
  return new Wallet(id(`account ${payers++}`)).address;
}

/** A call that passes, `cap` and funds being far above it, unless changed. */
export function newCall(payer: string, changes: Partial<Reservation> = {}, ofTask: Partial<Task> = {}): Reservation {
  const name = `call ${tasks++}`;
  const taskId = id(name);
  const task: Task = {
    ...{ payer, node: payer, model: id("version"), request: id("request"), policy: policies.reExecution },
    ...{ maxAmount: CEILING, deadline: 1_800_000_000, nonce: BigInt(tasks), ...ofTask },
  };
  return {
    ...{ taskId, task, signature: "0x05", claimedBlock: 3, spent: 0n, funds: 1000n, unsettledSince: 0 },
    release: { taskId, paymentDigest: taskId, releasedAt: 1_799_999_900, facilitator: payer, signature: "0x01" },
    voucher: { cap: 1000n, signature: "0x06", signer: payer },
    authorizers: [payer],
    ...changes,
  };
}

/** A certificate of a call. */
export function chargeOf({ taskId, task }: Reservation, amount: bigint, certifiedAt = 1_799_999_950): Charge {
  const result = { taskId, response: id("response"), payout: task.payer, amount, completedAt: certifiedAt };
  const verdict = {
    ...{ verifier: task.payer, resultHash: id("result"), epoch: 1, mode: 0, agrees: true, signature: "0x02" },
    opening: { response: id("response"), salt: id("salt") },
  };
  return { payer: task.payer, result, nodeSignature: "0x03", verdicts: [verdict], certifiedAt };
}

/** An account's books. */
export async function booksOf(store: FacilitatorStore, payer: string) {
  const { charged, reserved, cap } = (await store.accountOf(payer)) ?? { charged: 0n, reserved: 0n, cap: 0n };
  return { charged, reserved, cap };
}
