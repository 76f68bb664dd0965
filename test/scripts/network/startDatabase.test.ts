import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import pg from "pg";
import type { OpgError } from "#protocol/errors.ts";
import { freePort } from "#scripts/network/freePort.ts";
import { startDatabase, type DatabaseOptions, type DatabaseServer } from "#scripts/network/startDatabase.ts";

describe("startDatabase", () => {
  let closed: string;
  let options: DatabaseOptions;
  let server: DatabaseServer;

  before(async () => {
    // Closed to other users, as temporary folders are: also root's server has to work below it.
    closed = mkdtempSync(join(tmpdir(), "opg-test-"));
    expect(statSync(closed).mode & 0o777).to.equal(0o700);
    options = {
      folder: join(closed, "state", "database"),
      port: await freePort(),
      logFile: join(closed, "database.log"),
    };
    server = await startDatabase(options);
  });
  after(async () => {
    await server.stop();
    const elsewhere = join(options.folder, "elsewhere");
    if (existsSync(elsewhere)) rmSync(readFileSync(elsewhere, "utf8"), { recursive: true });
    rmSync(closed, { recursive: true });
  });

  it("makes a database once, and keeps it", async () => {
    await query(await server.urlFor("first"), "CREATE TABLE kept (value int)");
    await query(await server.urlFor("first"), "INSERT INTO kept VALUES (7)");
    expect(await query(await server.urlFor("first"), "SELECT value FROM kept")).to.deep.equal([{ value: 7 }]);
    expect(await query(await server.urlFor("second"), "SELECT to_regclass('kept') AS found")).to.deep.equal([
      { found: null },
    ]);
  });

  it("is PostgreSQL, durable, on the loopback interface only", async () => {
    const url = await server.urlFor("first");
    for (const [setting, value] of [
      ["listen_addresses", "127.0.0.1"],
      ["fsync", "on"],
      ["max_connections", "200"],
    ]) {
      expect(await query(url, `SELECT current_setting('${setting}') AS value`)).to.deep.equal([{ value }]);
    }
  });

  it("asks for the password, which only the owner can read", async () => {
    const url = new URL(await server.urlFor("first"));
    expect(statSync(join(options.folder, "password")).mode & 0o777).to.equal(0o600);
    url.password = "wrong";
    const error = (await query(url.href, "SELECT 1").catch((e: unknown) => e)) as Error;
    expect(error.message).to.match(/password authentication failed/);
  });

  it("refuses a database name that is not plain", async () => {
    const error = (await server.urlFor("a; b").catch((e: unknown) => e)) as OpgError;
    expect(error.code).to.equal("configuration");
  });

  it("starts again after it was killed, with all that was written", async () => {
    await query(await server.urlFor("durable"), "CREATE TABLE kept AS SELECT 9 AS value");
    await server.process.kill();
    server = await startDatabase(options);
    expect(await query(await server.urlFor("durable"), "SELECT value FROM kept")).to.deep.equal([{ value: 9 }]);
  });

  it("starts anew where the folder was removed", async () => {
    await server.stop();
    rmSync(options.folder, { recursive: true });
    server = await startDatabase(options);
    const url = await server.urlFor("postgres");
    expect(await query(url, "SELECT datname FROM pg_database WHERE datname = 'durable'")).to.deep.equal([]);
  });

  it("refuses a second server on the same data", async () => {
    const error = (await startDatabase({ ...options, port: await freePort() }).catch((e: unknown) => e)) as OpgError;
    expect(error.message).to.match(/is in use already, on port/);
  });
});

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}
