import type { Context, Hono } from "hono";
import { accepts } from "hono/accepts";
import { streamSSE } from "hono/streaming";
import { OpgError } from "#protocol/errors.ts";
import { bytes32 } from "#protocol/hex.ts";
import { requestAddress } from "#service/requestAddress.ts";
import type { SettlementStatus } from "#protocol/settlementStatus.ts";
import type { StoredSettlement } from "#store/facilitatorSettlements.ts";
import type { PaymentTerms } from "./checks/payment.ts";
import type { Dependencies } from "./dependencies.ts";
import { SettlementStatusFeed } from "./settlementStatusFeed.ts";

const EVENTS = "text/event-stream";
const JSON_TYPE = "application/json";

/** Where a facilitator tells how a settlement stands, below its URL. */
export function settlementStatusPath(id: string): string {
  return `/settlements/${id}`;
}

/**
 * Adds `GET /settlements/{id}`: how a merchant's payment, by the digest that its payer signed, or a task stands. With `accept:
 * text/event-stream` each change is told, until the end.
 */
export function addSettlementStatusRoutes(app: Hono, { terms, store, operations, logger }: Dependencies): void {
  const read = async (ids: readonly string[]): Promise<SettlementStatus[]> =>
    (await store.findSettlements(ids)).map((stored) => statusOf(stored, terms));
  const feed = new SettlementStatusFeed(read, logger, operations.readiness.draining);

  app.get(settlementStatusPath(":id"), async (context) => {
    const id = idIn(context);
    const [status] = await read([id]);
    if (!status) throw unknown(id);
    context.header("Cache-Control", "no-store");
    context.header("Vary", "Accept");
    const supports = [JSON_TYPE, EVENTS];
    const wanted = accepts(context, { header: "Accept", supports, default: JSON_TYPE });
    return wanted === EVENTS
      ? stream(context, feed, status, requestAddress(context, operations))
      : context.json(status);
  });
}

function stream(context: Context, feed: SettlementStatusFeed, first: SettlementStatus, address: string): Response {
  const hungUp = new AbortController();
  const changes = feed.follow(first, hungUp.signal, address);
  // A proxy that collects an answer would hold it back for as long as it goes on.
  context.header("X-Accel-Buffering", "no");
  return streamSSE(context, async (events) => {
    events.onAbort(() => hungUp.abort());
    for await (const status of changes) {
      if (status) await events.writeSSE({ event: "status", data: JSON.stringify(status) });
      else await events.write(":\n\n");
    }
  });
}

/** What the store knows, for anybody: without signatures, what was bought, and what a merchant is known by. */
function statusOf(stored: StoredSettlement, { network, token }: PaymentTerms): SettlementStatus {
  if (stored.kind === "task") return { ...stored, asset: token };
  const { answer, payer } = stored;
  return { ...stored, answer: answer && { ...answer, payer, network } };
}

function idIn(context: Context): string {
  const parsed = bytes32.safeParse(context.req.param("id"));
  if (parsed.success) return parsed.data;
  throw new OpgError("invalid_settlement_id", "A settlement is named by 0x and 64 hex digits: a digest or a taskId.");
}

function unknown(id: string): OpgError {
  const words = `Settlement ${id} is not known here; ask the facilitator that it was verified or paid at.`;
  return new OpgError("unknown_settlement", words, { id });
}
