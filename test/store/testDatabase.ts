import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "#scripts/network/freePort.ts";
import { startDatabase } from "#scripts/network/startDatabase.ts";

/** A real PostgreSQL server of a test's own. */
export interface TestDatabase {
  /** URL of a database on it, made where there is none. */
  urlFor(databaseName: string): Promise<string>;
  /** Ends the server and removes what it wrote. */
  close(): Promise<void>;
}

export async function startTestDatabase(): Promise<TestDatabase> {
  const parent = mkdtempSync(join(tmpdir(), "opg-database-"));
  const folder = join(parent, "database");
  const server = await startDatabase({ folder, port: await freePort(), logFile: join(parent, "database.log") });
  return {
    urlFor: (databaseName) => server.urlFor(databaseName),
    close: async () => {
      await server.stop();
      // Where the server may not write below a private folder, its data lie elsewhere.
      const elsewhere = join(folder, "elsewhere");
      if (existsSync(elsewhere)) rmSync(readFileSync(elsewhere, "utf8"), { recursive: true });
      rmSync(parent, { recursive: true });
    },
  };
}
