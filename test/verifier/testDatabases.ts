import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "#scripts/network/freePort.ts";
import { type DatabaseServer, startDatabase } from "#scripts/network/startDatabase.ts";

/** One PostgreSQL server for all tests of the verifier: it takes seconds to start, an empty database takes none. */
let running: Promise<{ server: DatabaseServer; root: string }> | undefined;
let created = 0;

/** URL of a database that nobody has used. */
export async function emptyDatabase(): Promise<string> {
  running ??= start();
  const { server } = await running;
  return server.urlFor(`verifier_${++created}`);
}

async function start() {
  const root = mkdtempSync(join(tmpdir(), "opg-verifier-"));
  const server = await startDatabase({
    folder: join(root, "database"),
    port: await freePort(),
    logFile: join(root, "log"),
  });
  return { server, root };
}

after(async () => {
  if (!running) return;
  const { server, root } = await running;
  await server.stop();
  const elsewhere = join(root, "database", "elsewhere");
  if (existsSync(elsewhere)) rmSync(readFileSync(elsewhere, "utf8"), { recursive: true });
  rmSync(root, { recursive: true });
});
