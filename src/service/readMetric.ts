import { setTimeout as sleep } from "node:timers/promises";
import { Counter, Gauge, type LabelValues, type Registry } from "prom-client";

const READ_TIMEOUT_SECONDS = 5;
const UNREAD = "opg_metrics_unread_total";

/** A metric whose numbers stand somewhere else. */
export interface ReadMetric<Label extends string> {
  name: string;
  help: string;
  /** A gauge where left out. */
  type?: "counter" | "gauge";
  labelNames?: readonly Label[];
}

/** One number. */
export interface Sample<Label extends string> {
  value: number;
  /** All of the metric's, where it has any. */
  labels?: LabelValues<Label>;
}

/**
 * Registers a metric whose numbers are read whenever somebody asks for them. Where they cannot be read, they are left out
 * and counted as unread: the other metrics are told all the same, when they are needed most.
 */
export function addReadMetric<Label extends string = never>(
  registry: Registry,
  { name, help, type = "gauge", labelNames = [] }: ReadMetric<Label>,
  read: () => Promise<readonly Sample<Label>[]> | readonly Sample<Label>[],
): void {
  const unread = unreadIn(registry);
  const described = { name, help, labelNames: [...labelNames], registers: [registry] };
  const fill = async (clear: () => void, add: (labels: LabelValues<Label>, value: number) => void) => {
    try {
      const samples = await inTime(read());
      clear();
      for (const { value, labels = {} } of samples) add(labels, value);
    } catch {
      clear();
      unread.inc({ metric: name });
    }
  };
  if (type === "counter") {
    const counter: Counter<Label> = new Counter({
      ...described,
      collect: () =>
        fill(
          () => clear(counter, labelNames),
          (labels, value) => counter.inc(labels, value),
        ),
    });
  } else {
    const gauge: Gauge<Label> = new Gauge({
      ...described,
      collect: () =>
        fill(
          () => clear(gauge, labelNames),
          (labels, value) => gauge.set(labels, value),
        ),
    });
  }
}

/** Without labels a reset would say 0, which is not what "unknown" means. */
function clear<Label extends string>(metric: Counter<Label> | Gauge<Label>, labelNames: readonly Label[]): void {
  if (labelNames.length === 0) metric.remove();
  else metric.reset();
}

function unreadIn(registry: Registry): Counter<"metric"> {
  const known = registry.getSingleMetric(UNREAD) as Counter<"metric"> | undefined;
  const help = "Metrics that were asked for and could not be read.";
  return known ?? new Counter({ name: UNREAD, help, labelNames: ["metric"], registers: [registry] });
}

async function inTime<Value>(reading: Promise<Value> | Value): Promise<Value> {
  const timer = new AbortController();
  const timeout = sleep(READ_TIMEOUT_SECONDS * 1000, undefined, { signal: timer.signal, ref: false });
  const late = timeout.then(() => Promise.reject(new Error("not read in time")));
  late.catch(() => undefined);
  return Promise.race([reading, late]).finally(() => timer.abort());
}
