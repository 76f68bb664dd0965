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

/** Has a facilitator settle all payments at once, and follows each to its end, or until patience ends. */
export async function settleAtOnce(
  url: string,
  bodies: readonly string[],
  patienceSeconds: number,
): Promise<ToldEnd[]> {
  const headersTimeout = patienceSeconds * 1000;
  const pool = new Pool(url, { connections: bodies.length, headersTimeout });
  const started = performance.now();
  try {
    return await Promise.all(
      bodies.map(async (body) => {
        const {
          success,
          transaction,
          errorReason: reason,
        } = await settle(pool, body, patienceSeconds).catch(withoutAnswer);
        const seconds = (performance.now() - started) / 1000;
        return { success, transaction, seconds, ...(reason === undefined ? {} : { reason }) };
      }),
    );
  } finally {
    await pool.destroy();
  }
}

async function settle(pool: Pool, body: string, patienceSeconds: number): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const { statusCode, body: answered } = await pool.request({ path: "/settle", method: "POST", headers, body });
  if (statusCode !== 200) return unsettled(`${statusCode} ${await answered.text()}`);
  const answer = (await answered.json()) as Answer;
  const following = answer.extra?.settlement;
  return answer.errorReason === "settlement_pending" && following !== undefined
    ? follow(pool, following, patienceSeconds)
    : answer;
}

/** Slow is not failed: where the end is not known yet it can be asked for. */
async function follow(pool: Pool, path: string, patienceSeconds: number): Promise<Answer> {
  const endMs = performance.now() + patienceSeconds * 1000;
  while (performance.now() < endMs) {
    await sleep(POLL_SECONDS * 1000);
    const { body } = await pool.request({ path, method: "GET" });
    const status = settlementStatusJson.parse(await body.json());
    if (status.kind === "payment" && isSettlementOver(status)) return status.answer ?? unsettled(status.state);
  }
  return unsettled("settlement_pending");
}

function withoutAnswer(error: unknown): Answer {
  return unsettled(`no answer (${(error as Error).message})`);
}

function unsettled(errorReason: string): Answer {
  return { success: false, transaction: "", errorReason };
}
