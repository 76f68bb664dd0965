// Started by watchdog.ts. Reads `watch GROUP SIGNAL` and `unwatch GROUP` lines; when the input ends, so has the process
// that started everything, and the groups still watched are stopped, the youngest first.
import { createInterface } from "node:readline";

const graceMilliseconds = 5_000;
const watched = new Map();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, group, signal] = line.split(" ");
  if (verb === "watch") watched.set(Number(group), signal);
  else watched.delete(Number(group));
}

const groups = [...watched].reverse();
for (const [group, signal] of groups) send(group, signal);
const end = Date.now() + graceMilliseconds;
while (groups.some(([group]) => send(group, 0)) && Date.now() < end) await new Promise((wake) => setTimeout(wake, 50));
for (const [group] of groups) send(group, "SIGKILL");

function send(group, signal) {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}
