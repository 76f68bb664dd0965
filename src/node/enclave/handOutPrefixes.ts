import type { TensorSpec } from "#protocol/model.ts";
import { joinSteps } from "#protocol/steps.ts";
import type { NamedTensors } from "#protocol/tensors.ts";
import type { CompletedTask, SignedPrefix } from "./enclave.ts";

/** Who takes the steps of a stream as they come. */
export interface PrefixReader {
  /** Resolves when it was taken, or nobody takes any more. */
  take(prefix: SignedPrefix): Promise<void>;
  /** Aborted when nobody takes any more. */
  readonly signal: AbortSignal;
}

/** How a stream is handed out, besides to whom. */
export interface HandingOut {
  /** Outputs of a whole task. */
  outputs: readonly TensorSpec[];
  /** Ends the stream after the step under way. */
  stop: AbortSignal;
}

/**
 * Hands prefixes out one after the other, the next one computed when the last one was taken. Whatever ends that early, the
 * last prefix that was taken is the task's result: where none was, the empty one.
 *
 * @throws what the first step fails with
 */
export async function handOutPrefixes(
  prefixes: AsyncIterable<SignedPrefix>,
  reader: PrefixReader,
  { outputs, stop }: HandingOut,
): Promise<CompletedTask> {
  const taken: NamedTensors[] = [];
  let last: CompletedTask["signed"] | undefined;
  const ended = AbortSignal.any([reader.signal, stop]);
  try {
    for await (const prefix of prefixes) {
      if (prefix.steps > 0) {
        if (ended.aborted) break;
        await reader.take(prefix);
        // It may have got lost on its way: then it is not charged.
        if (reader.signal.aborted) break;
        taken.push(prefix.outputs);
      }
      last = prefix.signed;
      if (ended.aborted) break;
    }
  } catch (error) {
    if (taken.length === 0) throw error;
  }
  if (!last) throw new Error("the enclave signed nothing");
  return { outputs: joinSteps(outputs, taken), signed: last };
}
