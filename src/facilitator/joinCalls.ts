/**
 * Runs some work once for all who ask for the same while it runs; they get the same outcome.
 *
 * @param keyOf - equal for inputs that are the same
 */
export function joinCalls<Input, Outcome>(
  keyOf: (input: Input) => string,
  work: (input: Input) => Promise<Outcome>,
): (input: Input) => Promise<Outcome> {
  const running = new Map<string, Promise<Outcome>>();
  return (input) => {
    const key = keyOf(input);
    const joined = running.get(key);
    if (joined) return joined;
    const outcome = work(input).finally(() => running.delete(key));
    running.set(key, outcome);
    return outcome;
  };
}
