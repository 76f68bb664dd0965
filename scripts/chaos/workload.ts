import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { MerchantPayment, Told } from "./merchantPayment.ts";

/** One call is given up after that, and made again. */
const CALL_SECONDS = 8;
const RETRY_MS = 200;
/** A merchant asks so long for an answer that says how it ended. */
const PATIENCE_SECONDS = 60;

const verifyJson = z.looseObject({ isValid: z.boolean(), invalidReason: z.string().optional() });
const settleJson = z.looseObject({
  success: z.boolean(),
  errorReason: z.string().optional(),
  transaction: z.string().optional(),
});

/**
 * A merchant's part in a payment: it verifies, serves and settles as planned, at the replicas and in as many copies as
 * planned. Where no answer comes it asks again, at the other replica. What it was told is noted in the payment.
 *
 * @param replicas - URLs of the facilitator's
 */
export async function takePayment(payment: MerchantPayment, replicas: readonly string[]): Promise<void> {
  const { plan } = payment;
  await sleep(plan.startMs);
  if (plan.calls !== "settle") {
    const answers = await callAll(payment, "verify", plan.verifyAt, replicas);
    if (!answers.some((told) => told?.success)) return;
    await sleep(plan.serveMs);
  }
  if (plan.calls !== "verify") await callAll(payment, "settle", plan.settleAt, replicas);
}

function callAll(
  payment: MerchantPayment,
  call: Told["call"],
  firstReplica: number,
  replicas: readonly string[],
): Promise<(Told | undefined)[]> {
  const copies = Array.from({ length: payment.plan.copies }, (_, copy) => firstReplica + copy);
  return Promise.all(copies.map((replica) => callUntilKnown(payment, call, replica, replicas)));
}

async function callUntilKnown(
  payment: MerchantPayment,
  call: Told["call"],
  firstReplica: number,
  replicas: readonly string[],
): Promise<Told | undefined> {
  const lastTry = Date.now() + PATIENCE_SECONDS * 1000;
  let last = "";
  for (let replica = firstReplica; Date.now() < lastTry; replica++) {
    const { status, answer } = await ask(`${replicas[replica % replicas.length] ?? ""}/${call}`, payment.bodies[call]);
    last = `${status} from replica ${(replica % replicas.length) + 1}: ${JSON.stringify(answer)}`;
    const told = status === 200 ? readAnswer(call, replica % replicas.length, answer) : undefined;
    if (told) payment.told.push(told);
    if (told && told.reason !== "settlement_pending") return told;
    // A merchant's request is well formed, so it is not to be called malformed.
    if (status >= 400 && status < 500 && status !== 429) break;
    await sleep(RETRY_MS);
  }
  payment.unanswered.push(`${call} got no answer that says how it ended; the last one was ${last}`);
  return undefined;
}

/** @returns status and body; 0 where there was no answer */
async function ask(url: string, body: string): Promise<{ status: number; answer: unknown }> {
  try {
    const headers = { "content-type": "application/json" };
    const signal = AbortSignal.timeout(CALL_SECONDS * 1000);
    const response = await fetch(url, { method: "POST", headers, body, signal });
    return { status: response.status, answer: await response.json() };
  } catch (error) {
    return { status: 0, answer: String(error) };
  }
}

function readAnswer(call: Told["call"], replica: number, answer: unknown): Told {
  const at = Date.now() / 1000;
  if (call === "verify") {
    const { isValid, invalidReason } = verifyJson.parse(answer);
    return { call, replica, at, success: isValid, ...(invalidReason === undefined ? {} : { reason: invalidReason }) };
  }
  const { success, errorReason, transaction } = settleJson.parse(answer);
  return {
    ...{ call, replica, at, success },
    ...(errorReason === undefined ? {} : { reason: errorReason }),
    ...(transaction === undefined ? {} : { transaction }),
  };
}
