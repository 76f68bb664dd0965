import { type ErrorCode, type ErrorValues, OpgError } from "#protocol/errors.ts";

/** A check's word on why not, in words for the payer. */
export interface Refusal {
  ok: false;
  code: ErrorCode;
  message: string;
  values: ErrorValues;
}

/** What a check says: go on, or why not. */
export type CheckResult = { ok: true } | Refusal;

export const passed: CheckResult = { ok: true };

/** @param message - one sentence that says what to do */
export function refused(code: ErrorCode, message: string, values: ErrorValues = {}): Refusal {
  return { ok: false, code, message, values };
}

/** The first refusal among results that are computed one after the other, or `passed`. */
export function firstRefusal(checks: readonly (() => CheckResult)[]): CheckResult {
  for (const check of checks) {
    const result = check();
    if (!result.ok) return result;
  }
  return passed;
}

/** @throws OpgError of the refusal */
export function requirePassed(result: CheckResult): void {
  if (!result.ok) throw new OpgError(result.code, result.message, result.values);
}
