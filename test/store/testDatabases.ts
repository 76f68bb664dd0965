import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "#scripts/network/freePort.ts";
import { type DatabaseServer, startDatabase } from "#scripts/network/startDatabase.ts";

/** Databases whose names mean nothing to other tests. */
export interface TestDatabases {
  /** URL of the database of that name, made where there is none. */
  urlFor(name: string): Promise<string>;
}

/** One real PostgreSQL for all tests of a process: it takes seconds to start, an empty database takes none. */
let running: Promise<{ server: DatabaseServer; root: string }> | undefined;
let tests = 0;

/** Databases of a test's own. */
export async function testDatabases(): Promise<TestDatabases> {
  running ??= start();
  const { server } = await running;
  const test = ++tests;
  return { urlFor: (name) => server.urlFor(`test_${test}_${name}`) };
}

/** URL of a database that nobody has used. */
export async function emptyDatabase(): Promise<string> {
  return (await testDatabases()).urlFor("empty");
}

async function start() {
  const root = mkdtempSync(join(tmpdir(), "opg-database-"));
  const folder = join(root, "database");
  const server = await startDatabase({ folder, port: await freePort(), logFile: join(root, "log") });
  return { server, root };
}

// Outside of every suite: after all of them. What hundreds of databases leave are gigabytes in as many files.
after(async function () {
  this.timeout(180_000);
  if (!running) return;
  const { server, root } = await running;
  // An immediate shutdown: nothing has to be on disk that is thrown away.
  process.kill(server.process.pid, "SIGQUIT");
  await server.process.ended;
  // Where the server may not write below a private folder, its data lie elsewhere.
  const elsewhere = join(root, "database", "elsewhere");
  if (existsSync(elsewhere)) await rm(readFileSync(elsewhere, "utf8"), { recursive: true });
  await rm(root, { recursive: true });
});
