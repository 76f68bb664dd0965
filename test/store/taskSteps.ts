import { id, Wallet } from "ethers";
import type { Result } from "#protocol/result.ts";
import type { TransactionPurpose } from "#protocol/settlement.ts";
import { policies, type SignedRelease, type Task, type TaskState, taskStates } from "#protocol/task.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import type { Claim } from "#store/taskClaims.ts";

export const rejection = { error: { code: "open_failed" as const, message: "The money could not be locked." } };
export const included = { status: "included" as const, blockNumber: 7, blockHash: id("block"), gasUsed: 80_000n };

/** States that a task has at its facilitator. */
export const reachable = taskStates.filter((state) => state !== "answered");

let claims = 0;

/** Makes tasks and brings them, write by write, to where a test wants them. */
export function taskSteps(storeNow: () => FacilitatorStore) {
  function newClaim(changes: Partial<Task> = {}): Claim {
    const name = `claim ${claims++}`;
    const { address } = new Wallet(id(name));
    const words = { model: id("version"), request: id("request"), node: address };
    const task = {
      payer: address,
      ...words,
      policy: policies.reExecution,
      maxAmount: 2n ** 128n - 1n,
      deadline: 1_800_000_000,
      nonce: 2n ** 256n - 1n,
      ...changes,
    };
    const authorization = { paymentDigest: id(`${name} paid`), signature: "0x05", validAfter: null };
    return { taskId: id(name), task, ...authorization, unlocked: false, claimedBlock: 3 };
  }
  const terms = { token: id("token"), sponsored: false, identifier: null };
  const take = async (claim: Claim): Promise<string> => (await storeNow().claim(claim, terms)).outcome;

  const releaseOf = ({ taskId, paymentDigest, task }: Claim): SignedRelease => ({
    taskId,
    paymentDigest,
    releasedAt: 1_799_999_900,
    facilitator: task.payer,
    signature: "0x01",
  });
  const resultOf = ({ taskId, task }: Claim): Result => ({
    taskId,
    response: id("response"),
    payout: task.payer,
    amount: 5n,
    completedAt: 1_799_999_950,
  });
  const verdictOf = (claim: Claim, agrees: boolean) => ({
    ...{ verifier: claim.task.payer, resultHash: id("result"), epoch: 1, mode: 0, agrees, signature: "0x02" },
    opening: { response: id("response"), salt: id("salt") },
  });
  const request = (claim: Claim, purpose: TransactionPurpose = "open") => ({
    signer: "0xsigner",
    subject: claim.taskId,
    purpose,
    minedNonces: 0,
  });
  const signed = (nonce: number) => Promise.resolve({ hash: id(`transaction ${nonce}`), raw: `0x${nonce}` });

  const watchedHashes = async () => (await storeNow().watchedTransactions()).map(({ transaction }) => transaction.hash);

  /** The write that enters a state. */
  const enter: Record<Exclude<TaskState, "answered">, (claim: Claim) => Promise<unknown>> = {
    claimed: (claim) => take(claim),
    rejected: ({ taskId }) => storeNow().recordRejection(taskId, rejection),
    released: (claim) => storeNow().recordRelease(releaseOf(claim)),
    certified: (claim) =>
      storeNow().recordCertificate({ result: resultOf(claim), nodeSignature: "0x03" }, [verdictOf(claim, true)]),
    refused: (claim) => storeNow().recordRefused(claim.taskId, resultOf(claim)),
    expired: ({ taskId }) => storeNow().recordExpiry(taskId),
    settled: ({ taskId }) => storeNow().recordEnding(taskId, "settled"),
    refunded: ({ taskId }) => storeNow().recordEnding(taskId, "refunded"),
  };
  const paths: Record<(typeof reachable)[number], (typeof reachable)[number][]> = {
    claimed: ["claimed"],
    rejected: ["claimed", "rejected"],
    released: ["claimed", "released"],
    certified: ["claimed", "released", "certified"],
    settled: ["claimed", "released", "certified", "settled"],
    refused: ["claimed", "released", "refused"],
    expired: ["claimed", "released", "expired"],
    refunded: ["claimed", "released", "expired", "refunded"],
  };
  const bring = async (state: (typeof reachable)[number]): Promise<Claim> => {
    const claim = newClaim();
    for (const step of paths[state]) await enter[step](claim);
    return claim;
  };
  return { newClaim, take, releaseOf, resultOf, verdictOf, request, signed, watchedHashes, enter, bring, terms };
}
