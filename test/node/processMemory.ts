import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";

/** Regions above this are reserved, not filled. */
const LONGEST_REGION = 1 << 30;

/** Whether this machine lets us read what our own processes have in memory. */
export const canReadMemory = existsSync("/proc/self/mem");

/** Which of some bytes are anywhere in the writable memory of a process of ours. */
export function searchMemory(pid: number, wanted: Readonly<Record<string, Buffer>>): string[] {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const found = new Set<string>();
  try {
    for (const line of maps) {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      const length = Number.parseInt(to, 16) - Number.parseInt(from, 16);
      if (!(length > 0 && length <= LONGEST_REGION)) continue;
      const region = readRegion(memory, Number.parseInt(from, 16), length);
      for (const name of whatIsIn(region, wanted)) found.add(name);
    }
  } finally {
    closeSync(memory);
  }
  return [...found].sort();
}

/** Which of some bytes are in others. */
export function whatIsIn(bytes: Buffer, wanted: Readonly<Record<string, Buffer>>): string[] {
  return Object.entries(wanted).flatMap(([name, part]) => (bytes.includes(part) ? [name] : []));
}

function readRegion(memory: number, from: number, length: number): Buffer {
  const region = Buffer.alloc(length);
  try {
    return region.subarray(0, readSync(memory, region, 0, length, from));
  } catch {
    // Special regions of the kernel's cannot be read, nor what was let go of meanwhile.
    return Buffer.alloc(0);
  }
}
