import type { Operations } from "./operations.ts";
import { addReadMetric } from "./readMetric.ts";

/** Connections of a process to its database. */
export interface DatabaseConnections {
  /** In use by a query or transaction. */
  busy: number;
  idle: number;
  /** Queries that wait for a connection. */
  waiting: number;
}

/** A database as its operator sees it. */
export interface ObservedDatabase {
  /** Resolves when the database has answered. */
  ping(): Promise<void>;
  connections(): DatabaseConnections;
}

/** The database is a dependency: it answers. */
export function watchDatabase({ registry, readiness }: Operations, database: ObservedDatabase): void {
  readiness.require("database", async () => {
    await database.ping();
    return undefined;
  });
  const described = { name: "opg_database_connections", help: "Connections to the database, and who waits for one." };
  addReadMetric(registry, { ...described, labelNames: ["state"] }, () =>
    Object.entries(database.connections()).map(([state, value]: [string, number]) => ({ labels: { state }, value })),
  );
}
