import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/**
 * What each payer owes, added up as claims come and end: to sum them anew for every claim takes the longer the more there are.
 * Triggers do it, so that no writer of claims can forget it. They lock the sums in one order.
 */
export const exposuresMigration: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`create table exposures (
      payer text not null,
      token text not null,
      outstanding numeric not null,
      constraint exposures_once primary key (payer, token)
    ) with (fillfactor = 50)`.execute(db);
    await sql`insert into exposures
      select payer, token, sum(amount) from claims where exposed group by payer, token`.execute(db);
    await sql`drop index claims_exposed`.execute(db);
    await createTrigger(db, "insert", "new table as added", "select * from added");
    await createTrigger(db, "delete", "old table as gone", "select payer, token, -amount as amount, exposed from gone");
    await createTrigger(
      db,
      "update",
      "old table as gone new table as added",
      "select payer, token, amount, exposed from added union all select payer, token, -amount, exposed from gone",
    );
  },
};

async function createTrigger(db: Kysely<unknown>, event: string, tables: string, changes: string): Promise<void> {
  const name = `count_exposure_on_${event}`;
  await sql
    .raw(
      `create function ${name}() returns trigger language plpgsql as $$ begin
        insert into exposures as e (payer, token, outstanding)
          select payer, token, sum(amount) from (${changes}) as changed where exposed
          group by payer, token having sum(amount) <> 0 order by payer, token
          on conflict (payer, token) do update set outstanding = e.outstanding + excluded.outstanding;
        return null;
      end $$`,
    )
    .execute(db);
  await sql
    .raw(
      `create trigger ${name} after ${event} on claims referencing ${tables} for each statement execute function ${name}()`,
    )
    .execute(db);
}
