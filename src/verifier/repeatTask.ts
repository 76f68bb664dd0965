import { checkInputs } from "#execution/checkInputs.ts";
import type { Executor } from "#execution/executor.ts";
import { type Model, tensorOrder } from "#execution/inspectModel.ts";
import { runSteps } from "#execution/runSteps.ts";
import { type Meter, meterCharge, streamCharge } from "#protocol/meter.ts";
import { OpgError } from "#protocol/errors.ts";
import { NO_RESPONSE } from "#protocol/prefixes.ts";
import { responseDigest } from "#protocol/result.ts";
import { joinSteps } from "#protocol/steps.ts";
import { type NamedTensors, tensorBytes, tensorsDigest } from "#protocol/tensors.ts";
import type { OwnAnswer } from "#store/verifierStore.ts";

/** What an answer's digest and charge depend on besides its outputs. */
interface AnswerTerms {
  /** Of the request. */
  salt: string;
  meter: Meter;
  /** Whether no further step is to be run. */
  isOver: () => boolean;
}

/**
 * Repeats a task.
 *
 * @returns the one answer; of a model that is run step by step the answers after 0, 1, ... steps, any of which may be where
 * the payer hung up. What was not reached in time, or comes after a step that fails, stands there as {@link NO_RESPONSE},
 * so that what the node handed out of it is certified all the same
 * @throws OpgError the executor's, where not even the first step could be run
 */
export async function repeatTask(
  executor: Executor,
  model: Model,
  inputs: NamedTensors,
  { salt, meter, isOver }: AnswerTerms,
): Promise<OwnAnswer[]> {
  const order = tensorOrder(model.outputs);
  const digestOf = (outputs: NamedTensors) => responseDigest(salt, tensorsDigest(order, outputs));
  const inputBytes = tensorBytes(inputs);
  if (!model.scan) {
    const outputs = await executor.run(model, inputs);
    return [{ response: digestOf(outputs), charge: meterCharge(meter, inputBytes, tensorBytes(outputs)) }];
  }
  const answerAfter = (steps: number, outputs: NamedTensors): OwnAnswer => ({
    response: digestOf(outputs),
    charge: streamCharge(meter, inputBytes, tensorBytes(outputs), steps),
  });
  let prefix = joinSteps(model.outputs, []);
  const answers = [answerAfter(0, prefix)];
  try {
    for await (const step of runSteps(executor, model, inputs)) {
      prefix = answers.length === 1 ? step : joinSteps(model.outputs, [prefix, step]);
      answers.push(answerAfter(answers.length, prefix));
      if (isOver()) break;
    }
  } catch (error) {
    if (answers.length === 1 || !(error instanceof OpgError)) throw error;
  }
  const unreached = checkInputs(model, inputs) + 1 - answers.length;
  return [...answers, ...Array<OwnAnswer>(unreached).fill({ response: NO_RESPONSE, charge: 0n })];
}
