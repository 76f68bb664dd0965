import type { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import type { Logger } from "#service/logger.ts";

/**
 * Runs the migrations that a database does not have yet, in the order of their names. The migrator holds a lock while it
 * works, so a second process waits and then finds nothing left to do.
 *
 * @throws whatever the failing migration threw; the ones before it stay
 */
export async function migrate<Schema>(
  db: Kysely<Schema>,
  migrations: Readonly<Record<string, Migration>>,
  logger: Logger,
): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } });
  const { error, results } = await migrator.migrateToLatest();
  for (const { migrationName, status } of results ?? []) {
    if (status === "Success") logger.info({ migration: migrationName }, "database migrated");
  }
  if (error !== undefined) throw error as Error;
}
