import { DatabaseError } from "pg";
import { OpgError } from "#protocol/errors.ts";

/** More than a database takes well in one transaction. */
const MAX_GROUP = 256;

/**
 * Writes in groups: what comes while a write is on its way waits and goes together with the next one. One commit then
 * serves many, and nobody waits longer than for the write before. Where one of them cannot be written, or the database has
 * undone the group to end a deadlock, nothing of the group is written, and each is tried alone.
 *
 * @param write - one transaction for all inputs; outcomes in their order
 */
export function groupedWrites<Input, Outcome>(
  write: (inputs: readonly Input[]) => Promise<readonly Outcome[]>,
): (input: Input) => Promise<Outcome> {
  const waiting: { input: Input; outcome: PromiseWithResolvers<Outcome> }[] = [];
  let isWriting = false;

  async function writeAll(): Promise<void> {
    isWriting = true;
    while (waiting.length > 0) {
      const group = waiting.splice(0, MAX_GROUP);
      try {
        const outcomes = await write(group.map(({ input }) => input));
        group.forEach(({ outcome }, index) => outcome.resolve(outcomes[index] as Outcome));
      } catch (error) {
        if (group.length > 1 && isUndone(error)) await Promise.all(group.map(alone));
        else for (const { outcome } of group) outcome.reject(error);
      }
    }
    isWriting = false;
  }

  async function alone({ input, outcome }: (typeof waiting)[number]): Promise<void> {
    await write([input]).then(([single]) => outcome.resolve(single as Outcome), outcome.reject);
  }

  return (input) => {
    const outcome = Promise.withResolvers<Outcome>();
    waiting.push({ input, outcome });
    if (!isWriting) void writeAll();
    return outcome.promise;
  };
}

/**
 * What `write` itself refuses inside its transaction, and of PostgreSQL's errors data exceptions, violated constraints, deadlocks
 * and failed serializations. After any other error nobody knows what was written.
 */
function isUndone(error: unknown): boolean {
  if (error instanceof OpgError) return true;
  return error instanceof DatabaseError && /^(2[23]...|40P01|40001)$/.test(error.code ?? "");
}
