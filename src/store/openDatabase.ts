import { CamelCasePlugin, Kysely, PostgresDialect, sql } from "kysely";
import type { Migration } from "kysely/migration";
import { Pool, types } from "pg";
import { OpgError } from "#protocol/errors.ts";
import type { Logger } from "#service/logger.ts";
import { outsideRequests } from "#service/requestId.ts";
import type { ObservedDatabase } from "#service/watchDatabase.ts";
import { migrate } from "./migrate.ts";

/** A role's own database, its schema up to date. */
export interface Database<Schema> {
  /** `camelCase` names in queries are `snake_case` in the database; keys inside JSON stay as they are. */
  db: Kysely<Schema>;
  observed: ObservedDatabase;
  close: () => Promise<void>;
}

/** PostgreSQL's type numbers of `int8` and `numeric`: both are read as bigint, never through a float. */
const wholeNumbers = new Set([types.builtins.INT8, types.builtins.NUMERIC]);

/** Seconds to wait for a connection before a query fails. */
const CONNECTION_TIMEOUT_SECONDS = 10;

/**
 * Opens a role's database and brings its schema up to date; safe when several processes do so at once.
 *
 * @param url - `postgresql://user:password@host:port/database`
 * @param migrations - by name, run in the order of their names
 * @throws OpgError `configuration` when it cannot be reached or brought up to date
 */
export async function openDatabase<Schema>(
  url: string,
  migrations: Readonly<Record<string, Migration>>,
  logger: Logger,
): Promise<Database<Schema>> {
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_SECONDS * 1000,
    types: { getTypeParser: parserOf },
    // Queries of one transaction that do not need each other's answers go out together.
    pipeline: true,
  });
  // A connection that is lost is replaced at the next query; one that was in use fails its query, too. Where nobody listened
  // to it, its error would end the process; the pool tells of those that nobody uses once more.
  const lost = (error: Error): void => {
    if (pool.ending) return;
    outsideRequests(() => logger.warn({ reason: error.message }, "a database connection was lost"));
  };
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", lost));
  const db = new Kysely<Schema>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  });
  try {
    await migrate(db, migrations, logger);
  } catch (cause) {
    await db.destroy();
    const { message } = cause as Error;
    throw new OpgError(
      "configuration",
      `The database of DATABASE_URL cannot be used (${message}); start it or correct the URL.`,
      {},
      { cause },
    );
  }
  return { db, observed: observe(db, pool), close: () => db.destroy() };
}

function observe<Schema>(db: Kysely<Schema>, pool: Pool): ObservedDatabase {
  return {
    ping: async () => {
      await sql`select 1`.execute(db);
    },
    connections: () => {
      const { totalCount, idleCount, waitingCount } = pool;
      return { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
    },
  };
}

const parserOf: typeof types.getTypeParser = (type, format) =>
  wholeNumbers.has(type) && format !== "binary"
    ? BigInt
    : (types.getTypeParser(type, format) as (value: string) => unknown);
