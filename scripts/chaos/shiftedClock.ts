// Loaded into a daemon before its program (`node --import`): its clock is off by as many seconds as a file says.
import { readFileSync } from "node:fs";

const LOOK_EVERY_MS = 50;
const file = process.env["CHAOS_CLOCK_FILE"] ?? "";
const RealDate = Date;
let offsetMs = 0;

function look(): void {
  try {
    offsetMs = Number(readFileSync(file, "utf8")) * 1000;
  } catch {
    offsetMs = 0;
  }
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given: unknown[], newTarget) =>
    Reflect.construct(target, given.length === 0 ? [RealDate.now() + offsetMs] : given, newTarget) as object,
  apply: () => new RealDate(RealDate.now() + offsetMs).toString(),
  get: (target, name) =>
    name === "now" ? () => RealDate.now() + offsetMs : (Reflect.get(target, name, target) as unknown),
});

look();
setInterval(look, LOOK_EVERY_MS).unref();
