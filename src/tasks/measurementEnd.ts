import { OpgError } from "#protocol/errors.ts";
import { readMeasurement } from "./readArguments.ts";
import { networkTask } from "./runTask.ts";
import { setMeasurement } from "./setMeasurement.ts";

/** `opg measurements end`: closes a measurement's window, so that every node under it gets no new task. */
export default networkTask<{ measurement: string }>(async (opened, options) => {
  const measurement = readMeasurement(options.measurement);
  const { from, until } = await opened.nodeRegistry.measurementWindow(measurement);
  if (until === 0)
    throw new OpgError("invalid_body", `${measurement} was never approved; opg measurements lists what was.`);
  if (from === until) throw new OpgError("invalid_body", `${measurement} has ended already.`);
  // A window from 0 until 0 would say that it never was approved.
  const ended = Math.max(from, 1);
  await setMeasurement(opened, measurement, { from: ended, until: ended });
});
