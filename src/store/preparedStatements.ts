import type { PostgresPool, PostgresPoolClient } from "kysely";
import type { Pool, PoolClient } from "pg";

/** How a statement begins that is to be prepared. */
const MARK = /^\/\* prepared (\w+) \*\//;

/**
 * A pool whose connections parse and plan a statement once if it begins with a comment `prepared` and its name, one text to a
 * name. Such a statement has to be good with one plan whatever its values are, and however the tables grow.
 */
export function preparingPool(pool: Pool): PostgresPool {
  const clients = new WeakMap<PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    connect: async () => {
      const client = await pool.connect();
      const preparing = clients.get(client) ?? preparingClient(client);
      clients.set(client, preparing);
      return preparing;
    },
    end: () => pool.end(),
  };
}

function preparingClient(client: PoolClient): PostgresPoolClient {
  const query = (text: string, parameters: readonly unknown[]) => {
    const name = MARK.exec(text)?.[1];
    const values = [...parameters];
    return client.query(name === undefined ? { text, values } : { name, text, values });
  };
  // Cursors, the other kind of query, nobody uses here.
  return { query: query as unknown as PostgresPoolClient["query"], release: (isLost) => client.release(isLost) };
}
