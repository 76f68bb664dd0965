import { BlockList } from "node:net";
import { collectDefaultMetrics, Registry } from "prom-client";
import { HttpMetrics } from "./httpMetrics.ts";
import { RateLimit, type RateLimitSettings } from "./rateLimit.ts";
import { Readiness } from "./readiness.ts";
import { addReadMetric } from "./readMetric.ts";
import type { Logger } from "./logger.ts";

/** What each address may ask of a public daemon. */
export interface AddressLimit {
  rate: RateLimit;
  /** Peers whose `X-Forwarded-For` is believed. */
  trustedProxies: BlockList;
}

/** How an operator sees one daemon from outside, and what holds callers back. */
export class Operations {
  readonly registry = new Registry();
  readonly readiness = new Readiness();
  readonly http = new HttpMetrics(this.registry);
  readonly limit: AddressLimit | undefined;

  constructor(limit?: AddressLimit) {
    this.limit = limit;
  }
}

/** The variables of `limitVariables` as they were read; a daemon that is not public has none. */
export interface LimitConfig {
  OPG_RATE_PER_SECOND: number;
  OPG_RATE_BURST?: number | undefined;
  OPG_TRUSTED_PROXIES?: BlockList | undefined;
}

/** The operations of a daemon: with the process's own metrics, and a limit where one is set. */
export function daemonOperations(logger: Logger, config?: LimitConfig): Operations {
  const operations = new Operations(config && limitOf(config));
  const { registry, readiness } = operations;
  collectDefaultMetrics({ register: registry });
  const up = { name: "opg_dependency_up", help: "1 where a dependency answers as it should, else 0." };
  addReadMetric(registry, { ...up, labelNames: ["dependency"] }, async () => {
    const { missing } = await readiness.ask(logger);
    return readiness.dependencies.map((dependency) => ({
      labels: { dependency },
      value: dependency in missing ? 0 : 1,
    }));
  });
  return operations;
}

function limitOf(config: LimitConfig): AddressLimit | undefined {
  const perSecond = config.OPG_RATE_PER_SECOND;
  if (perSecond === 0) return undefined;
  const settings: RateLimitSettings = {
    perSecond,
    burst: config.OPG_RATE_BURST ?? Math.max(1, Math.ceil(2 * perSecond)),
  };
  return { rate: new RateLimit(settings), trustedProxies: config.OPG_TRUSTED_PROXIES ?? new BlockList() };
}
