import { Gauge, Histogram, type Registry } from "prom-client";

/** From a check in memory to a task with its verdicts. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Callers may invent methods, and every name of a series is kept. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]);

/** How many requests run, and how long they take up to the head of their answer. */
export class HttpMetrics {
  readonly #durations: Histogram<"method" | "route" | "status">;
  #inFlight = 0;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#durations = new Histogram({
      name: "opg_http_request_duration_seconds",
      help: "Time from a request's head to its answer's head.",
      labelNames: ["method", "route", "status"],
      buckets: SECONDS,
      registers,
    });
    const inFlight = (): number => this.#inFlight;
    new Gauge({
      ...{ name: "opg_http_requests_in_flight", help: "Requests that are not answered yet.", registers },
      collect() {
        this.set(inFlight());
      },
    });
  }

  begin(): void {
    this.#inFlight += 1;
  }

  /** @param route - the pattern, never what was asked for */
  end(method: string, route: string, status: number, seconds: number): void {
    this.#inFlight -= 1;
    this.#durations.observe({ method: methods.has(method) ? method : "other", route, status }, seconds);
  }
}
