import { z } from "zod";
import { daemonVariables, drainSeconds, limitVariables, wholeNumber } from "#service/config.ts";

const seconds = (fallback: number) => wholeNumber(1, 86_400).default(fallback);
const bytes = (fallback: number) => wholeNumber(1).default(fallback);

/** The gateway's configuration. */
export const gatewayVariables = {
  ...daemonVariables,
  ...limitVariables,
  OPG_PORT: daemonVariables.OPG_PORT.default(8402),
  /** Folder for cached models. */
  OPG_STATE: z.string().min(1),
  /** Where payments and their answers are kept; gateways that share it give the same answers. */
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, "must be a postgresql:// URL"),
  /** How long an answer is given again to who paid for it. */
  OPG_ANSWER_SECONDS: seconds(3_600),
  /** How long a task may take from offer to result. */
  OPG_TASK_SECONDS: seconds(120),
  /** How long a node may compute. */
  OPG_EXECUTION_SECONDS: seconds(30),
  /** How long the verifiers may take after that. */
  OPG_VERDICT_SECONDS: seconds(20),
  /** How long the facilitator may take to lock the money: it waits for a block, up to a minute by itself. */
  OPG_RELEASE_SECONDS: seconds(65),
  /** Output bytes that the price ceiling allows for. */
  OPG_MAX_OUTPUT_BYTES: bytes(16_384),
  /** Largest request body. */
  OPG_MAX_BODY_BYTES: bytes(8 * 1024 * 1024),
  /** As long as a task may take at its node and verifiers, where left out. */
  OPG_DRAIN_SECONDS: drainSeconds.optional(),
};
