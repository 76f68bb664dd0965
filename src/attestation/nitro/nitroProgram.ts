import { execFile } from "node:child_process";
import { OpgError } from "#protocol/errors.ts";
import type { NitroDevice } from "./nitroPlatform.ts";

const TIMEOUT_MS = 10_000;
/** More than the device ever answers. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * The device of a Nitro enclave behind a program, as Node.js cannot reach it by itself: the request goes to its stdin, the
 * answer comes from its stdout. `nsm.c` is that program. It is given no variables.
 *
 * @param path - of the program
 * @returns a device that throws OpgError `platform_unavailable`
 */
export function nitroProgram(path: string): NitroDevice {
  const options = { encoding: "buffer", env: {}, timeout: TIMEOUT_MS, maxBuffer: MAX_ANSWER_BYTES } as const;
  return (request) =>
    new Promise((fulfil, reject) => {
      const program = execFile(path, [], options, (cause, answer, said) => {
        if (!cause) return fulfil(answer);
        const why = cause.killed ? "was stopped: it took too long or said too much" : lastLine(said) || cause.message;
        const message = `${path} brought nothing from the enclave's device: ${why}`;
        reject(new OpgError("platform_unavailable", message, { program: path }, { cause }));
      });
      // A program that ends early closes its stdin; what counts is how it ended.
      program.stdin?.on("error", () => undefined);
      program.stdin?.end(request);
    });
}

function lastLine(said: Buffer): string {
  return said.toString().trim().split("\n").at(-1)?.slice(0, 200) ?? "";
}
