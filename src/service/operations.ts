import { BlockList } from "node:net";
import { collectDefaultMetrics, Registry } from "prom-client";
import { HttpMetrics } from "./httpMetrics.ts";
import { RateLimit, type RateLimitSettings } from "./rateLimit.ts";
import { Readiness } from "./readiness.ts";
import { addReadMetric } from "./readMetric.ts";
import type { Logger } from "./logger.ts";

/** How a public daemon tells addresses apart, and what each may ask. */
export interface AddressLimit {
  /** Nothing where there is no limit. */
  rate?: RateLimit | undefined;
  /** Peers whose `X-Forwarded-For` is believed. */
  trustedProxies?: BlockList | undefined;
}

/** How an operator sees one daemon from outside, and what holds callers back. */
export class Operations {
  readonly registry = new Registry();
  readonly readiness = new Readiness();
  readonly http = new HttpMetrics(this.registry);
  readonly rate: RateLimit | undefined;
  readonly trustedProxies: BlockList;

  constructor({ rate, trustedProxies = new BlockList() }: AddressLimit = {}) {
    this.rate = rate;
    this.trustedProxies = trustedProxies;
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
  const operations = new Operations({ rate: config && rateOf(config), trustedProxies: config?.OPG_TRUSTED_PROXIES });
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

function rateOf(config: LimitConfig): RateLimit | undefined {
  const perSecond = config.OPG_RATE_PER_SECOND;
  if (perSecond === 0) return undefined;
  const settings: RateLimitSettings = {
    perSecond,
    burst: config.OPG_RATE_BURST ?? Math.max(1, Math.ceil(2 * perSecond)),
  };
  return new RateLimit(settings);
}
