import { expect } from "chai";
import { type ErrorCode, errorStatus } from "#protocol/errors.ts";

/** An answer as it came. */
export interface Answer {
  status: number;
  text: string;
}

const isKnown = (code: unknown): code is ErrorCode => typeof code === "string" && Object.hasOwn(errorStatus, code);

/**
 * An error body, or x402's PaymentRequired, with a code that the documentation explains, under the status of that code.
 *
 * @returns the code
 */
export function expectRefusal({ status, text }: Answer): ErrorCode {
  expectNoInnards(status, text);
  const { error } = JSON.parse(text) as { error?: string | { code?: string } };
  const code = typeof error === "object" ? error.code : error;
  if (!isKnown(code)) throw new Error(`no known code in ${text.slice(0, 300)}`);
  expect(status, text).to.equal(errorStatus[code]);
  return code;
}

/** A facilitator's business answer to a merchant: 200 and a reason that is known; or an error. @returns the reason */
export function expectInvalid(answer: Answer): ErrorCode {
  if (answer.status !== 200) return expectRefusal(answer);
  expectNoInnards(answer.status, answer.text);
  const { isValid, invalidReason, success, errorReason } = JSON.parse(answer.text) as Record<string, unknown>;
  expect(isValid ?? success, answer.text).to.equal(false);
  const reason = invalidReason ?? errorReason;
  if (!isKnown(reason)) throw new Error(`no known reason in ${answer.text.slice(0, 300)}`);
  return reason;
}

function expectNoInnards(status: number, text: string): void {
  expect(status, text.slice(0, 300)).to.be.lessThan(500);
  expect(text.length, "length of the answer").to.be.lessThan(20_000);
  expect(text).not.to.match(/\bat .*\.ts|node_modules|postgres/);
}
