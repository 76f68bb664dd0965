import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { HttpSenders } from "./httpSender.ts";

/** What a run of requests came to. */
export interface LoadResult {
  /** Answers that were as they should be. */
  right: number;
  wrong: number;
  perSecond: number;
  /** Milliseconds that 99 of 100 requests stayed below, counted from when each was due. */
  p99Milliseconds: number;
  /** One answer that was not right. */
  wrongAnswer?: string;
}

/** Which requests to send where. */
export interface LoadOptions {
  url: string;
  path: string;
  /** What right answers begin with. */
  right: string;
  /** One body per request. */
  bodies: readonly string[];
  /** Sends no more after so long. */
  seconds: number;
  connections: number;
  /** Requests per second, sent when they are due whether or not others were answered; as fast as answers come, if absent. */
  rate?: number;
}

type Send = (body: string, dueAt: number) => Promise<void>;

/** Sends each body once, until the time is over. */
export async function sendLoad(options: LoadOptions): Promise<LoadResult> {
  const { url, path, connections, right } = options;
  const senders = await HttpSenders.open(new URL(url), path, connections);
  const latencies: number[] = [];
  const wrong: string[] = [];
  const send: Send = async (body, dueAt) => {
    const answer = await senders.post(body);
    latencies.push(performance.now() - dueAt);
    if (!answer.body.startsWith(right)) wrong.push(`${answer.status} ${answer.body}`);
  };
  const started = performance.now();
  await (options.rate === undefined ? inTurn(options, started, send) : atRate(options, options.rate, started, send));
  const seconds = (performance.now() - started) / 1000;
  senders.close();
  latencies.sort((one, other) => one - other);
  const [wrongAnswer] = wrong;
  return {
    right: latencies.length - wrong.length,
    wrong: wrong.length,
    perSecond: (latencies.length - wrong.length) / seconds,
    p99Milliseconds: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
    ...(wrongAnswer === undefined ? {} : { wrongAnswer }),
  };
}

async function inTurn({ bodies, seconds, connections }: LoadOptions, started: number, send: Send): Promise<void> {
  const endMs = started + seconds * 1000;
  let next = 0;
  const sender = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const body = bodies[next++];
      if (body === undefined) return;
      await send(body, performance.now());
    }
  };
  await Promise.all(Array.from({ length: connections }, sender));
}

/** A slow answer delays none of the requests that follow, so that it shows in the figures of all of them. */
async function atRate({ bodies, seconds }: LoadOptions, rate: number, started: number, send: Send): Promise<void> {
  const sent: Promise<void>[] = [];
  for (const [index, body] of bodies.slice(0, Math.floor(seconds * rate)).entries()) {
    const dueAt = started + (index * 1000) / rate;
    while (performance.now() < dueAt) await sleep(Math.max(0, Math.min(1, dueAt - performance.now())));
    sent.push(send(body, dueAt));
  }
  await Promise.all(sent);
}
