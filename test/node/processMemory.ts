import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";

const PAGE_BYTES = 4096;
/** Of an entry of the page map: the page is in memory, or was swapped out. */
const PRESENT = 3n << 62n;

/** Whether this machine lets us read what our own processes have in memory. */
export const canReadMemory = existsSync("/proc/self/pagemap");

/** Which of some bytes are anywhere in the writable memory of a process of ours. */
export function searchMemory(pid: number, wanted: Readonly<Record<string, Buffer>>): string[] {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const pages = openSync(`/proc/${pid}/pagemap`, "r");
  const found = new Set<string>();
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === "") continue;
      for (const [start, end] of filledRuns(pages, Number.parseInt(from, 16), Number.parseInt(to, 16))) {
        for (const name of whatIsIn(readBytes(memory, start, end - start), wanted)) found.add(name);
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pages);
  }
  return [...found].sort();
}

/** Which of some bytes are in others. */
export function whatIsIn(bytes: Buffer, wanted: Readonly<Record<string, Buffer>>): string[] {
  return Object.entries(wanted).flatMap(([name, part]) => (bytes.includes(part) ? [name] : []));
}

/** Pages that hold something, side by side as far as they are: most of what an engine reserves, it never fills. */
function* filledRuns(pages: number, from: number, to: number): Generator<[number, number], void> {
  const entries = readBytes(pages, (from / PAGE_BYTES) * 8, ((to - from) / PAGE_BYTES) * 8);
  let start: number | undefined;
  for (let at = from; at < to; at += PAGE_BYTES) {
    const offset = ((at - from) / PAGE_BYTES) * 8;
    const isFilled = offset + 8 <= entries.length && (entries.readBigUInt64LE(offset) & PRESENT) !== 0n;
    if (isFilled) start ??= at;
    if (isFilled || start === undefined) continue;
    yield [start, at];
    start = undefined;
  }
  if (start !== undefined) yield [start, to];
}

function readBytes(file: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, length, from));
  } catch {
    // What belongs to the kernel cannot be read, nor what was let go of meanwhile.
    return Buffer.alloc(0);
  }
}
