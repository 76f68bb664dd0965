import { OpgError } from "#protocol/errors.ts";
import { readMeasurement } from "./readArguments.ts";
import { networkTask } from "./runTask.ts";
import { setMeasurement } from "./setMeasurement.ts";
import { NEVER, readTime } from "./timeText.ts";

interface Options {
  measurement: string;
  from: string;
  until: string;
}

/** `opg measurements approve`: nodes may run under a measurement, from and until a time, or from the start and without end. */
export default networkTask<Options>(async (opened, options) => {
  const measurement = readMeasurement(options.measurement);
  const from = readTime("from", options.from) ?? 0;
  const until = readTime("until", options.until) ?? NEVER;
  if (from >= until) throw new OpgError("invalid_body", "--until must be later than --from.");
  await setMeasurement(opened, measurement, { from, until });
});
