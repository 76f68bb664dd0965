import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { OpgError } from "#protocol/errors.ts";
import { ownedProcess } from "#scripts/network/ownedProcess.ts";
import { startProcess } from "#scripts/network/startProcess.ts";

const programs = fileURLToPath(new URL("../programs/", import.meta.url));
const program = join(programs, "daemon.mjs");

describe("startProcess", () => {
  let folder: string;
  let logFile: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "opg-test-"));
    logFile = join(folder, "logs", "daemon.log");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("resolves with the URL once the daemon says that it listens, and keeps what it prints", async () => {
    const daemon = await startProcess({ name: "daemon", program, env: { MODE: "listens" }, logFile });
    expect(daemon.url).to.equal("http://127.0.0.1:1");
    expect(isRunning(daemon.pid)).to.equal(true);
    await daemon.stop();
    expect(isRunning(daemon.pid)).to.equal(false);
    expect(readFileSync(logFile, "utf8")).to.match(/^not a log line\n.*"starting".*\n.*"listening"/);
  });

  it("rejects with the last lines when the daemon ends first", async () => {
    const error = await startProcess({ name: "daemon", program, env: { MODE: "fails" }, logFile }).catch(
      (e: unknown) => e,
    );
    expect(error).to.be.instanceOf(OpgError);
    expect((error as OpgError).message).to.equal("daemon ended (exit code 3)\nOPG_PORT must be a number");
  });

  it("kills a daemon that does not heed SIGTERM within the grace time", async () => {
    const stubborn = { name: "stubborn", command: process.execPath, parameters: [program], env: { MODE: "stubborn" } };
    const owned = ownedProcess({ ...stubborn, logFile, graceSeconds: 0.1 });
    await owned.line((line) => line.includes("listening"));
    await owned.stop();
    expect(await owned.ended).to.equal("signal SIGKILL");
  });

  it("says that a program is missing", async () => {
    const owned = ownedProcess({ name: "absent", command: join(folder, "absent"), parameters: [], logFile });
    const error = await owned.line(() => true).catch((e: unknown) => e);
    expect((error as OpgError).message).to.match(/^absent ended \(spawn .* ENOENT\)$/);
  });

  for (const signal of ["SIGKILL", "SIGTERM", "SIGINT"] as const) {
    it(`leaves no orphan when the process that started it ends by ${signal}`, async () => {
      const parent = spawn(process.execPath, [join(programs, "parent.ts"), program, logFile]);
      const [printed] = (await parent.stdout.take(1).toArray()) as Buffer[];
      const daemon = Number(printed?.toString());
      expect(isRunning(daemon)).to.equal(true);
      parent.kill(signal);
      for (let tries = 0; tries < 200 && isRunning(daemon); tries++) await sleep(20);
      expect(isRunning(daemon)).to.equal(false);
    });
  }
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
