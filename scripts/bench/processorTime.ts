import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** Clock ticks in a second: Linux tells all programs 100. */
const TICKS = 100;

/** Seconds of processor time that a process has used; only Linux has `/proc`, elsewhere nobody knows. */
export function processorSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name, which may hold spaces; fields of proc(5).
    const [user, system] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13);
    return (Number(user) + Number(system)) / TICKS;
  } catch {
    return NaN;
  }
}

/** Seconds of processor time that everybody on the machine has used. */
export function machineSeconds(): number {
  const busy = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq);
  return busy.reduce((sum, one) => sum + one, 0) / 1000;
}
