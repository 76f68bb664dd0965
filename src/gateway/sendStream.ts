import type { Context } from "hono";
import type { InferAnswerJson } from "#protocol/inferAnswer.ts";
import { errorBodyOf } from "#service/httpApp.ts";
import type { Logger } from "#service/logger.ts";
import { sendEvents } from "#service/sendEvents.ts";
import { type StepReader, WaitingReader } from "./stepReader.ts";

/** A reader that takes nothing for so long has hung up. */
const LONGEST_WAIT_SECONDS = 10;

/**
 * Answers with server-sent events: `step` for what the enclave signs as it goes, at the end `answer` with the receipt, or
 * `error`. Nothing is sent before the first of them, so that what goes wrong until then has its own status.
 *
 * @param run - runs the request, whoever reads: what was begun is brought to its end
 * @returns nothing where there is no answer
 * @throws what `run` throws before the first step
 */
export async function sendStream(
  context: Context,
  { logger }: { logger: Logger },
  run: (reader: StepReader) => Promise<InferAnswerJson | undefined>,
): Promise<Response | undefined> {
  const reader = new WaitingReader(context.req.raw.signal);
  const answering = run(reader);
  answering.catch(() => undefined);
  const begun = await Promise.race([reader.begun, answering]);
  if (begun === undefined) return undefined;
  return sendEvents(context, LONGEST_WAIT_SECONDS, async (events) => {
    reader.connect(events);
    try {
      await events.send("answer", await answering);
    } catch (error) {
      await events.send("error", errorBodyOf(error, logger));
    }
  });
}
