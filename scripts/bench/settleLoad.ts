import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { isSettlementOver, settlementStatusJson } from "#protocol/settlementStatus.ts";

/** How a facilitator settled one payment, in its own words. */
export interface ToldEnd {
  success: boolean;
  /** Hash; empty where no transaction paid. */
  transaction: string;
  /** What it gave as the reason, where it did not settle. */
  reason?: string;
  /** Seconds from when all were sent until this was known. */
  seconds: number;
}

interface Answer {
  success: boolean;
  transaction: string;
  errorReason?: string | undefined;
  extra?: { settlement?: string };
}

const POLL_SECONDS = 1;
/** Longer than anybody's patience that is known: the stock facilitator waits 180 seconds for a receipt. */
const PATIENCE_SECONDS = 300;

/** Has a facilitator settle all payments at once, and follows each to its end. */
export async function settleAtOnce(url: string, bodies: readonly string[]): Promise<ToldEnd[]> {
  const patience = PATIENCE_SECONDS * 1000;
  const pool = new Pool(url, { connections: bodies.length, headersTimeout: patience, bodyTimeout: patience });
  const started = performance.now();
  try {
    return await Promise.all(
      bodies.map(async (body) => {
        const { success, transaction, errorReason: reason } = await settle(pool, body);
        const seconds = (performance.now() - started) / 1000;
        return { success, transaction, seconds, ...(reason === undefined ? {} : { reason }) };
      }),
    );
  } finally {
    await pool.close();
  }
}

async function settle(pool: Pool, body: string): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const { statusCode, body: answered } = await pool.request({ path: "/settle", method: "POST", headers, body });
  if (statusCode !== 200) return unsettled(`${statusCode} ${await answered.text()}`);
  const answer = (await answered.json()) as Answer;
  const following = answer.extra?.settlement;
  return answer.errorReason === "settlement_pending" && following !== undefined ? follow(pool, following) : answer;
}

/** Slow is not failed: where the end is not known yet it can be asked for. */
async function follow(pool: Pool, path: string): Promise<Answer> {
  const endMs = performance.now() + PATIENCE_SECONDS * 1000;
  while (performance.now() < endMs) {
    await sleep(POLL_SECONDS * 1000);
    const { body } = await pool.request({ path, method: "GET" });
    const status = settlementStatusJson.parse(await body.json());
    if (status.kind === "payment" && isSettlementOver(status)) return status.answer ?? unsettled(status.state);
  }
  return unsettled("settlement_pending");
}

function unsettled(errorReason: string): Answer {
  return { success: false, transaction: "", errorReason };
}
