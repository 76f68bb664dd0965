import type { Network } from "#protocol/network.ts";
import { policies, type Task } from "#protocol/task.ts";
import type { SentPayment } from "./readPayment.ts";

/** What an authorization under `upto` leaves open. */
interface OpenTerms {
  node: string;
  versionId: string;
  /** Salted digest of version and inputs. */
  request: string;
  network: Pick<Network, "parameters">;
}

/** The task of a payment: the one that was signed, or, under `upto`, what follows from the authorization. */
export function proposeTask(payment: SentPayment, { node, versionId, request, network }: OpenTerms): Task {
  if (payment.scheme !== "upto") return payment.task;
  const { from, nonce, deadline, permitted } = payment.authorization;
  return {
    payer: from,
    node,
    model: versionId,
    request,
    policy: policies.reExecution,
    maxAmount: permitted.amount,
    deadline: Number(deadline) - network.parameters.settleWindowSeconds,
    nonce,
  };
}
