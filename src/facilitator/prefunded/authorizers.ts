import type { Authorizers } from "#chain/accounts.ts";
import type { PaymentTerms } from "#facilitator/checks/payment.ts";
import type { Task } from "#protocol/task.ts";

type ExitTerms = Pick<PaymentTerms, "settleWindowSeconds" | "withdrawDelaySeconds">;

/** How old a receipt may grow before nothing more is released: the rest of a withdrawal's delay is left to settle it. */
export function mostUnsettledSeconds({ withdrawDelaySeconds }: Pick<ExitTerms, "withdrawDelaySeconds">): number {
  return Math.floor(withdrawDelaySeconds / 4);
}

/**
 * Whose signatures count for a task. A replaced authorizer's do as long as a batch can still take the task on them: it may be
 * certified until its settle window ends, and wait for its batch after that.
 */
export function authorizersFor({ deadline }: Pick<Task, "deadline">, account: Authorizers, terms: ExitTerms): string[] {
  const { current, previous, previousUntil } = account;
  const settledBy = deadline + terms.settleWindowSeconds + mostUnsettledSeconds(terms);
  return previousUntil >= settledBy ? [current, previous] : [current];
}
