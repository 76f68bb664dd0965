import { OpgError } from "../protocol/errors.ts";
import type { Inference } from "./createClient.ts";

/** Thrown for an answer of fewer steps than were asked for; it is paid for and holds as far as it goes. */
export class IncompleteAnswerError extends OpgError {
  /** The steps that there are. */
  readonly inference: Inference;

  /** @param asked - steps of the inputs */
  constructor(inference: Inference, asked: number) {
    const { taskId, steps = 0 } = inference;
    const message = `The answer ends after ${steps} of ${asked} steps, which are all that was charged; send the rest as a new request.`;
    super("answer_incomplete", message, { taskId, steps, asked });
    this.name = "IncompleteAnswerError";
    this.inference = inference;
  }
}
