import type { ErrorCode } from "#protocol/errors.ts";

/** An answer over HTTP, its JSON unread. */
export interface Answer {
  status: number;
  body: {
    taskId?: string;
    task?: { node: string };
    state?: string;
    transaction?: string | null;
    release?: { releasedAt: number; facilitator: string; signature: string; paymentDigest: string } | null;
    transactions?: {
      purpose: string;
      hash: string;
      status: string;
      blockNumber: number | null;
      gasUsed: string | null;
    }[];
    verdicts?: { verifier: string; agrees: boolean; reason?: string }[];
    facilitator?: string;
    error?: { code: ErrorCode; message: string; reason?: string };
  };
}

/** Sends JSON, or a text as it is; without a body it is a GET. */
export async function ask(url: string, body?: unknown): Promise<Answer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  // A connection of its own: the server ends idle ones, and waits between two questions can be long here.
  const headers = { connection: "close" };
  const response = await fetch(url, body === undefined ? { headers } : { method: "POST", body: text, headers });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

/** Asks again and again until the answer is as wanted. @throws Error with the last answer after `seconds` */
export async function askUntil(url: string, wanted: (answer: Answer) => boolean, seconds = 20): Promise<Answer> {
  const end = Date.now() + seconds * 1000;
  let last = await ask(url);
  while (!wanted(last)) {
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(last)} after ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    last = await ask(url);
  }
  return last;
}
