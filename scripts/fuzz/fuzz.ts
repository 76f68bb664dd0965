import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { OpgError } from "#protocol/errors.ts";
import { type FuzzOptions, readFuzzOptions } from "./fuzzOptions.ts";
import type { FuzzProgress, FuzzShare } from "./fuzzWorker.ts";
import type { Finding } from "./tryMutant.ts";

/** A worker that is silent for so long hangs: it tells of itself every few hundred mutants. */
const SILENCE_MS = 120_000;
/** What all mutants together may add to what the process holds at its start. */
const MAX_MEMORY_BYTES = 2e9;
const REPORT_MS = 10_000;

/** Tries all mutants and says what it found. @returns whether that was nothing */
async function run({ mutants, seed, json }: FuzzOptions): Promise<boolean> {
  const counts = { mutants: 0, accepted: 0, crashed: 0 };
  const found = (finding: Pick<Finding, "kind"> & Partial<Finding>): void => {
    counts[finding.kind] += 1;
    process.stderr.write(`${JSON.stringify(finding)}\n`);
  };
  const report = setInterval(() => process.stderr.write(`${counts.mutants} of ${mutants} mutants\n`), REPORT_MS);
  const startBytes = process.memoryUsage().rss;
  const fixtures = process.env["OPG_FIXTURES"];
  if (fixtures === undefined) process.stderr.write("OPG_FIXTURES names no folder: no mutants of real documents\n");
  const step = Math.min(availableParallelism(), mutants);
  const shares = Array.from({ length: step }, (_, first) => ({ seed, first, step, mutants, fixtures }));
  await Promise.all(
    shares.map((share) =>
      runShare(share, ({ tried, findings }) => {
        counts.mutants += tried;
        findings.forEach(found);
      }).catch((error: unknown) => found({ kind: "crashed", what: String(error) })),
    ),
  );
  clearInterval(report);
  const grownBytes = process.memoryUsage().rss - startBytes;
  if (grownBytes > MAX_MEMORY_BYTES) found({ kind: "crashed", what: `the process grew by ${grownBytes} bytes` });
  const text = `${counts.mutants} mutants from seed ${seed}: ${counts.accepted} accepted, ${counts.crashed} crashed`;
  process.stdout.write(`${json ? JSON.stringify(counts) : text}\n`);
  return counts.accepted + counts.crashed === 0 && counts.mutants === mutants;
}

/** Runs one worker to its end; a hanging one is ended. */
function runShare(share: FuzzShare, onProgress: (progress: FuzzProgress) => void): Promise<void> {
  const worker = new Worker(new URL("./fuzzWorker.ts", import.meta.url), { workerData: share });
  return new Promise((fulfil, reject) => {
    const watch = setTimeout(() => {
      reject(new Error(`a worker was silent for ${SILENCE_MS} ms`));
      void worker.terminate();
    }, SILENCE_MS);
    worker.on("message", (progress: FuzzProgress) => {
      watch.refresh();
      onProgress(progress);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => {
      clearTimeout(watch);
      if (code === 0) fulfil();
      else reject(new Error(`a worker ended with ${code}`));
    });
  });
}

try {
  process.exit((await run(readFuzzOptions(process.argv.slice(2)))) ? 0 : 1);
} catch (error) {
  const text = error instanceof OpgError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${text ?? ""}\n`);
  process.exit(1);
}
