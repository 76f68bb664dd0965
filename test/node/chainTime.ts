import { writeFileSync } from "node:fs";

/** How far the chain's time is ahead of ours, for this process and, by a file, for enclaves. */
export function chainTime(file: string, leadSeconds: number) {
  writeFileSync(file, String(leadSeconds));
  return {
    file,
    get leadSeconds() {
      return leadSeconds;
    },
    set leadSeconds(seconds: number) {
      leadSeconds = seconds;
      writeFileSync(file, String(seconds));
    },
  };
}
