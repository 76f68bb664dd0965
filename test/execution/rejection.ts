import { OpgError } from "#protocol/errors.ts";

/** The OpgError that a promise rejects with; anything else fails the test. */
export async function rejection(promise: Promise<unknown>): Promise<OpgError> {
  const outcome: unknown = await promise.then(
    () => new Error("expected a rejection"),
    (error: unknown) => error,
  );
  if (outcome instanceof OpgError) return outcome;
  throw outcome;
}
