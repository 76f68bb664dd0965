import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

/** What a run of requests took. */
export interface LoadResult {
  /** Answers that `isRight` accepted. */
  right: number;
  wrong: number;
  perSecond: number;
  /** Milliseconds that 99 of 100 requests stayed below, counted from when each was due. */
  p99Milliseconds: number;
  /** One answer that was not right. */
  wrongAnswer: string | undefined;
}

/** Which requests to send where. */
export interface LoadOptions {
  url: string;
  path: string;
  /** One body per request. */
  bodies: readonly string[];
  connections: number;
  isRight: (answer: string) => boolean;
  /** Requests per second, sent when they are due whether or not others were answered; as fast as answers come, if absent. */
  rate?: number;
}

/** Sends every body once. */
export async function sendLoad({ url, path, bodies, connections, isRight, rate }: LoadOptions): Promise<LoadResult> {
  const pool = new Pool(url, { connections, pipelining: 1 });
  const latencies: number[] = [];
  let right = 0;
  let wrongAnswer: string | undefined;
  const started = performance.now();
  const send = async (body: string, dueAt: number): Promise<void> => {
    const headers = { "content-type": "application/json" };
    const answer = await pool.request({ path, method: "POST", headers, body });
    const text = await answer.body.text();
    latencies.push(performance.now() - dueAt);
    if (isRight(text)) right++;
    else wrongAnswer ??= `${answer.statusCode} ${text}`;
  };
  await (rate === undefined ? inTurn(bodies, connections, send) : atRate(bodies, rate, started, send));
  const seconds = (performance.now() - started) / 1000;
  await pool.close();
  latencies.sort((one, other) => one - other);
  return {
    right,
    wrong: bodies.length - right,
    perSecond: right / seconds,
    p99Milliseconds: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
    wrongAnswer,
  };
}

type Send = (body: string, dueAt: number) => Promise<void>;

async function inTurn(bodies: readonly string[], senders: number, send: Send): Promise<void> {
  let next = 0;
  const sender = async (): Promise<void> => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) await send(body, performance.now());
  };
  await Promise.all(Array.from({ length: senders }, sender));
}

/** A slow answer delays none of the requests that follow, so that it shows in the figures of all of them. */
async function atRate(bodies: readonly string[], rate: number, started: number, send: Send): Promise<void> {
  const sent: Promise<void>[] = [];
  for (const [index, body] of bodies.entries()) {
    const dueAt = started + (index * 1000) / rate;
    while (performance.now() < dueAt) await sleep(Math.max(0, Math.min(1, dueAt - performance.now())));
    sent.push(send(body, dueAt));
  }
  await Promise.all(sent);
}
