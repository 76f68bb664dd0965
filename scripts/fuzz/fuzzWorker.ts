import { parentPort, workerData } from "node:worker_threads";
import { makeSubjects } from "./subjects.ts";
import { type Finding, tryMutant } from "./tryMutant.ts";

/** Which mutants a worker tries: every so manyth from the first on. */
export interface FuzzShare {
  seed: number;
  first: number;
  step: number;
  mutants: number;
  fixtures: string | undefined;
}

/** What a worker tells: that it has come so far, and what it found since. */
export interface FuzzProgress {
  tried: number;
  findings: readonly Finding[];
}

const PROGRESS_MUTANTS = 250;

const { seed, first, step, mutants, fixtures } = workerData as FuzzShare;
const subjects = makeSubjects(fixtures);
let progress = { tried: 0, findings: [] as Finding[] };
for (let index = first; index < mutants; index += step) {
  const finding = tryMutant(subjects, seed, index);
  progress.tried += 1;
  if (finding) progress.findings.push(finding);
  if (progress.tried >= PROGRESS_MUTANTS) tell();
}
tell();

function tell(): void {
  parentPort?.postMessage(progress satisfies FuzzProgress);
  progress = { tried: 0, findings: [] };
}
