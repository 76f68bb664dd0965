import { EventSourceParserStream } from "eventsource-parser/stream";
import { type SettlementStatus, settlementStatusJson } from "#protocol/settlementStatus.ts";

/** Follows a settlement as a client does, until its stream ends. @param hangUp - ends it earlier */
export async function* followSettlement(
  facilitator: string,
  id: string,
  hangUp?: AbortSignal,
): AsyncGenerator<SettlementStatus> {
  const headers = { accept: "text/event-stream" };
  const answer = await fetch(`${facilitator}/settlements/${id}`, hangUp ? { headers, signal: hangUp } : { headers });
  if (!answer.body || answer.headers.get("content-type") !== "text/event-stream") {
    throw new Error(`answered ${answer.status} ${await answer.text()}`);
  }
  const events = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of events) {
    if (event === "status") yield settlementStatusJson.parse(JSON.parse(data));
  }
}

/** All that a follower is told until the stream ends. */
export async function wholeStory(facilitator: string, id: string): Promise<SettlementStatus[]> {
  const told: SettlementStatus[] = [];
  for await (const status of followSettlement(facilitator, id)) told.push(status);
  return told;
}
