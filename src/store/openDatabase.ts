import { CamelCasePlugin, Kysely, PostgresDialect, sql } from "kysely";
import type { Migration } from "kysely/migration";
import { Pool, type PoolConfig, types } from "pg";
import { OpgError } from "#protocol/errors.ts";
import type { Logger } from "#service/logger.ts";
import { outsideRequests } from "#service/requestId.ts";
import type { ObservedDatabase } from "#service/watchDatabase.ts";
import { GatheringSocket } from "./gatheringSocket.ts";
import { migrate } from "./migrate.ts";
import { preparingPool } from "./preparedStatements.ts";

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
/** Longer than any query or wait for a lock takes; after it the connection is given up with all that is on it. */
const QUERY_TIMEOUT_SECONDS = 30;
/**
 * A machine that vanished without a word is found out after about 20 seconds; a process that hangs inside a transaction holds its
 * locks for 10. What is asked for by its key lies in memory or on a solid-state disk, so that plans are made for indexes.
 */
const SESSION =
  "-c random_page_cost=1.1 -c idle_in_transaction_session_timeout=10000 -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3";

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
  await bringUpToDate(url, migrations, logger);
  const pool = openPool(url, logger, {
    query_timeout: QUERY_TIMEOUT_SECONDS * 1000,
    options: SESSION,
    // Queries of one transaction that do not need each other's answers go out together.
    pipeline: true,
  });
  const db = kyselyOn<Schema>(pool);
  return { db, observed: observe(db, pool), close: () => db.destroy() };
}

/** On connections of its own: a migration of much data takes as long as it takes. */
async function bringUpToDate(
  url: string,
  migrations: Readonly<Record<string, Migration>>,
  logger: Logger,
): Promise<void> {
  const db = kyselyOn<unknown>(openPool(url, logger, {}));
  try {
    await migrate(db, migrations, logger);
  } catch (cause) {
    const { message } = cause as Error;
    throw new OpgError(
      "configuration",
      `The database of DATABASE_URL cannot be used (${message}); start it or correct the URL.`,
      {},
      { cause },
    );
  } finally {
    await db.destroy();
  }
}

function openPool(url: string, logger: Logger, bounds: PoolConfig): Pool {
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_SECONDS * 1000,
    keepAlive: true,
    stream: () => new GatheringSocket(),
    types: { getTypeParser: parserOf },
    ...bounds,
  });
  // A connection that is lost is replaced at the next query; one that was in use fails its query, too. Where nobody listened
  // to it, its error would end the process; the pool tells of those that nobody uses once more.
  const lost = (error: Error): void => {
    if (pool.ending) return;
    outsideRequests(() => logger.warn({ reason: error.message }, "a database connection was lost"));
  };
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", lost));
  return pool;
}

function kyselyOn<Schema>(pool: Pool): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect: new PostgresDialect({ pool: preparingPool(pool) }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  });
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
