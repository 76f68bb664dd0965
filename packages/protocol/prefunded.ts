import { z } from "zod";
import { address, bytes } from "./hex.ts";
import { signedCapJson } from "./voucher.ts";
import { taskJson } from "./task.ts";
import { type Domain, taskEscrowDomain, typesOf } from "./typedData.ts";
import type { Task } from "./task.ts";

/** The x402 scheme of calls that a prefunded account pays for: no transaction, the task itself is signed. */
export const PREFUNDED_SCHEME = "prefunded";

/**
 * `payload` of a payment of scheme `prefunded`. Requirements are those of scheme `task` (`taskRequirementsJson`): `extra` carries
 * the unsigned task, its salt, the facilitator. `nonce` is any number that the payer has not used for another task.
 */
export const prefundedPayloadJson = z.strictObject({
  task: taskJson,
  /** The authorizer's, over `Task` in TaskEscrow's domain: over the taskId. */
  signature: bytes,
  /** At whom the account is. */
  facilitator: address,
  /** Where the ceiling has to rise, or is not known there; the highest that the facilitator was shown counts. */
  voucher: signedCapJson.optional(),
});

export type PrefundedPayload = z.output<typeof prefundedPayloadJson>;
export type PrefundedPayloadJson = z.input<typeof prefundedPayloadJson>;

/** What the authorizer signs for one call. A release of such a task names the taskId as its `paymentDigest`. */
export function taskTypedData(task: Task, taskEscrow: Domain) {
  return { domain: taskEscrowDomain(taskEscrow), types: typesOf("Task"), value: { ...task } };
}
