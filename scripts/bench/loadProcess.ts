import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type LoadOptions, type LoadResult, sendLoad } from "./load.ts";
import { type CallBatch, makeCalls } from "./prefundedCalls.ts";
import { type BenchPayer, type BenchTerms, type Nonces, PaymentMaker } from "./payments.ts";

/** Payments that are to be signed. */
export interface PaymentBatch {
  terms: BenchTerms;
  payers: readonly BenchPayer[];
  nonces: Nonces;
  count: number;
}

/** How payments are sent, and how many of those that were signed. */
export interface PaymentLoad extends Omit<LoadOptions, "bodies"> {
  count: number;
}

type Question = PaymentBatch | CallBatch | PaymentLoad;

/** A load generator in a process of its own. */
export interface LoadProcess {
  pid: number;
  /** Signs payments, before any clock runs. */
  sign(batch: PaymentBatch | CallBatch): Promise<void>;
  /** Sends the next of them. @throws Error where an answer was wrong */
  send(load: PaymentLoad): Promise<LoadResult>;
  stop(): Promise<void>;
}

/** Starts the generator: it shares no event loop with what it measures, or with what measures it. */
export function startLoadProcess(): LoadProcess {
  const child = fork(fileURLToPath(import.meta.url), { env: { ...process.env, OPG_BENCH_LOAD: "1" } });
  const ask = async (question: Question): Promise<LoadResult> => {
    child.send(question);
    const [answer] = (await once(child, "message")) as [LoadResult];
    return answer;
  };
  return {
    pid: child.pid ?? 0,
    sign: async (batch) => {
      await ask(batch);
    },
    send: async (load) => {
      const result = await ask(load);
      if (result.wrong > 0) throw new Error(`${result.wrong} answers were wrong, such as: ${result.wrongAnswer}`);
      return result;
    },
    stop: async () => {
      child.disconnect();
      await once(child, "exit");
    },
  };
}

function serve(): void {
  let bodies: string[] = [];
  const answer = async (question: Question): Promise<LoadResult | string> => {
    if ("callTerms" in question) {
      bodies = makeCalls(question);
      return "signed";
    }
    if ("terms" in question) {
      bodies = new PaymentMaker(question.terms, question.payers, question.nonces).make(question.count);
      return "signed";
    }
    return sendLoad({ ...question, bodies: bodies.splice(0, question.count) });
  };
  process.on("message", (question: Question) => {
    void answer(question).then((answered) => process.send?.(answered));
  });
}

if (process.env["OPG_BENCH_LOAD"] === "1" && process.send) serve();
