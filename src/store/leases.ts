import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { Logger } from "#service/logger.ts";
import { outsideRequests } from "#service/requestId.ts";
import { groupedWrites } from "./groupedWrites.ts";

const POLL_SECONDS = 0.1;
const CONNECTION_TIMEOUT_SECONDS = 10;
const QUERY_TIMEOUT_SECONDS = 10;
/** A machine that vanished without a word is found out after about 20 seconds, and its leases end. */
const KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3";

/** Whether a name is free and taken now, or else freed. */
type Question = { name: string; isTaking: boolean };

/** Work on one name is done by one hand at a time, among all processes on a database. */
export interface Leases {
  /** Waits until nobody else works on `name`, then does `work`. */
  hold<Outcome>(name: string, work: () => Promise<Outcome>): Promise<Outcome>;
  /** Does `work` unless somebody works on `name` just now. */
  holdIfFree(name: string, work: () => Promise<void>): Promise<void>;
}

/**
 * Leases as PostgreSQL's session advisory locks, all on one connection of their own: when the process dies, they are free
 * at once. They spare effort and wrong refusals, but nothing relies on them: a process whose connection is lost goes on
 * with what it works on while another may begin the same, and the store's writes then let one of them pass.
 */
export class DatabaseLeases implements Leases {
  readonly #url: string;
  readonly #logger: Logger;
  readonly #held = new Set<string>();
  #connection: Promise<Client> | undefined;
  #lastAnswer: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(url: string, logger: Logger) {
    this.#url = url;
    this.#logger = logger;
  }

  async hold<Outcome>(name: string, work: () => Promise<Outcome>): Promise<Outcome> {
    while (!(await this.#take(name))) await sleep(POLL_SECONDS * 1000);
    return work().finally(() => this.#free(name));
  }

  async holdIfFree(name: string, work: () => Promise<void>): Promise<void> {
    if (await this.#take(name)) await work().finally(() => this.#free(name));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const connection = await this.#connection?.catch(() => undefined);
    await connection?.end();
  }

  /** A session gets the same advisory lock more than once, so what this process holds is looked up here first. */
  async #take(name: string): Promise<boolean> {
    if (this.#held.has(name)) return false;
    this.#held.add(name);
    let isTaken = false;
    try {
      isTaken = await this.#ask({ name, isTaking: true });
    } finally {
      if (!isTaken) this.#held.delete(name);
    }
    return isTaken;
  }

  async #free(name: string): Promise<void> {
    try {
      if (!this.#isClosed) await this.#ask({ name, isTaking: false });
    } catch (error) {
      this.#logger.warn({ reason: (error as Error).message, name }, "a lease ended with its connection");
    } finally {
      this.#held.delete(name);
    }
  }

  /** What comes while a question is on its way goes together with the next one: a connection takes one at a time. */
  readonly #ask = groupedWrites((questions: readonly Question[]) => {
    const answers = this.#lastAnswer.then(() => this.#query(questions));
    this.#lastAnswer = answers.catch(() => undefined);
    return answers;
  });

  async #query(questions: readonly Question[]): Promise<boolean[]> {
    this.#connection ??= this.#connect();
    const connection = await this.#connection;
    const query = `select case when is_taking then pg_try_advisory_lock(key) else pg_advisory_unlock(key) end as done
      from (select hashtextextended(name, 0) as key, is_taking, position
        from unnest($1::text[], $2::boolean[]) with ordinality as asked (name, is_taking, position)) keys
      order by position`;
    const names = questions.map(({ name }) => `lease ${name}`);
    const isTaking = questions.map((question) => question.isTaking);
    try {
      const { rows } = await connection.query<{ done: boolean }>(query, [names, isTaking]);
      return rows.map(({ done }) => done);
    } catch (error) {
      // What a failed query did is not known; without its connection nothing of it stays.
      connection.connection.stream.destroy();
      throw error;
    }
  }

  #connect(): Promise<Client> {
    const client = new Client({
      connectionString: this.#url,
      connectionTimeoutMillis: CONNECTION_TIMEOUT_SECONDS * 1000,
      query_timeout: QUERY_TIMEOUT_SECONDS * 1000,
      keepAlive: true,
      options: KEEPALIVE,
    });
    const connecting = client.connect().then(() => client);
    const lose = (): void => {
      if (this.#connection === connecting) this.#connection = undefined;
    };
    client.on("error", (error) => {
      outsideRequests(() => this.#logger.warn({ reason: error.message }, "the connection of the leases was lost"));
      lose();
    });
    client.on("end", lose);
    connecting.catch(lose);
    return connecting;
  }
}
