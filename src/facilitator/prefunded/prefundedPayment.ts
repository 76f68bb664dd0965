import { z } from "zod";
import { readPart } from "#facilitator/readPart.ts";
import type { PaymentBody } from "#facilitator/readPayment.ts";
import { address, uint } from "#protocol/hex.ts";
import { prefundedPayloadJson } from "#protocol/prefunded.ts";
import type { Task } from "#protocol/task.ts";
import type { SignedCap } from "#protocol/voucher.ts";
import type { CallDigests } from "./callDigests.ts";

/** A call that a prefunded account is to pay for, read but not checked. */
export interface PrefundedPayment {
  task: Task;
  /** What the authorizer signed. */
  taskId: string;
  signature: string;
  /** At whom the account is, says the payer. */
  facilitator: string;
  voucher: (SignedCap & { digest: string }) | null;
  /** What was asked for. */
  requirements: { amount: bigint; asset: string; payTo: string; extra: { facilitator: string } };
}

/** The task is read where it is signed, so the offer's copy is left alone. */
const requirementsJson = z.object({
  amount: uint(256),
  asset: address,
  payTo: address,
  extra: z.object({ facilitator: address }),
});

/** Reads a payment of scheme `prefunded` whose envelope passed. @throws OpgError `invalid_body` naming the field */
export function readPrefundedPayment(
  { paymentPayload, paymentRequirements }: PaymentBody,
  digests: CallDigests,
): PrefundedPayment {
  const read = readPart("paymentPayload.payload", prefundedPayloadJson, paymentPayload.payload);
  const { task, signature, facilitator, voucher } = read;
  return {
    ...{ task, signature, facilitator, taskId: digests.task(task) },
    voucher: voucher
      ? { ...voucher, digest: digests.voucher({ payer: task.payer, facilitator, cap: voucher.cap }) }
      : null,
    requirements: readPart("paymentRequirements", requirementsJson, paymentRequirements),
  };
}
