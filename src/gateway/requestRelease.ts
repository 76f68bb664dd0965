import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { OpgError } from "#protocol/errors.ts";
import { type ReleasedTask, releasedTaskJson } from "#protocol/messages.ts";
import { domainIn } from "#protocol/network.ts";
import { type Task, taskIdOf, taskToJson } from "#protocol/task.ts";
import { httpCall } from "#service/httpCall.ts";
import { facilitatorOf } from "./facilitatorOf.ts";
import type { Gateway } from "./gateway.ts";
import { requirementsOf } from "./offer.ts";
import type { SentPayment } from "./readPayment.ts";
import { uptoRequirementsOf } from "./uptoTerms.ts";

/**
 * Has the facilitator check and claim a payment and release its task.
 *
 * @param task - what was signed, or what the gateway proposes under `upto`
 * @returns the task that the payment was first used for, with its release
 * @throws OpgError the facilitator's, or `facilitator_unavailable`
 */
export async function requestRelease(gateway: Gateway, payment: SentPayment, task: Task): Promise<ReleasedTask> {
  const { payload, salt, scheme } = payment;
  const requirements =
    scheme === "upto"
      ? uptoRequirementsOf(gateway, { price: task.maxAmount, salt, request: task.request })
      : requirementsOf(gateway, scheme, { task, salt, withTypedData: false });
  const { url } = facilitatorOf(gateway.network);
  const released = await httpCall({
    method: "POST",
    url: new URL("/tasks", url).href,
    body: {
      x402Version: 2,
      paymentPayload: { ...payload, accepted: withoutSalt(payload.accepted) } satisfies PaymentPayload,
      paymentRequirements: withoutSalt(requirements),
      ...(scheme === "upto" ? { task: taskToJson(task) } : {}),
    },
    answer: releasedTaskJson,
    timeoutSeconds: gateway.settings.releaseSeconds,
    unavailable: "facilitator_unavailable",
  });
  const { taskId, release } = released;
  if (release.taskId === taskId && taskIdOf(released.task, domainIn(gateway.network, "taskEscrow")) === taskId) {
    return released;
  }
  const message = `${url} answered with a release of another task; try again later.`;
  throw new OpgError("facilitator_unavailable", message, { url });
}

/** With the salt the facilitator could try out what was asked: it gets digests only. */
function withoutSalt(requirements: PaymentRequirements): PaymentRequirements {
  const { extra } = requirements;
  return { ...requirements, extra: Object.fromEntries(Object.entries(extra).filter(([name]) => name !== "salt")) };
}
