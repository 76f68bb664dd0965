import { expect } from "chai";
import { id, Wallet } from "ethers";
import { type Insertable, sql } from "kysely";
import { OpgError } from "#protocol/errors.ts";
import { faultyDatabase } from "#scripts/chaos/faultyDatabase.ts";
import { freePort } from "#scripts/network/freePort.ts";
import { createLogger } from "#service/logger.ts";
import { facilitatorMigrations, type FacilitatorSchema } from "#store/facilitatorSchema.ts";
import { openFacilitatorStore } from "#store/facilitatorStore.ts";
import { openDatabase } from "#store/openDatabase.ts";
import { emptyDatabase } from "./testDatabases.ts";

const logger = createLogger("test", "silent");

describe("openDatabase", function () {
  this.timeout(60_000);

  it("lets five processes bring the same empty database up to date at once", async () => {
    const url = await emptyDatabase();
    const stores = await Promise.all(Array.from({ length: 5 }, () => openFacilitatorStore(url, logger)));
    expect(await stores[0]?.watchedTransactions()).to.deep.equal([]);
    await Promise.all(stores.map((store) => store.close()));
  });

  it("runs each migration once, in the order of the names", async () => {
    const url = await emptyDatabase();
    const ran: string[] = [];
    const migration = (name: string) => ({ up: () => Promise.resolve(void ran.push(name)) });
    const first = { "001_one": migration("one") };
    await (await openDatabase(url, first, logger)).close();
    await (await openDatabase(url, { "002_two": migration("two"), ...first }, logger)).close();
    expect(ran).to.deep.equal(["one", "two"]);
  });

  it("goes on after all connections were reset, in use and idle ones", async () => {
    const url = new URL(await emptyDatabase());
    const link = await faultyDatabase(Number(url.port));
    url.port = String(link.port);
    const { db, close } = await openDatabase<FacilitatorSchema>(url.href, {}, logger);
    const asleep = Array.from({ length: 3 }, () => sql`select pg_sleep(30)`.execute(db).catch(() => "failed"));
    await sql`select 1`.execute(db);
    link.reset();
    expect(await Promise.all(asleep)).to.deep.equal(["failed", "failed", "failed"]);
    expect((await sql<{ one: number }>`select 1 as one`.execute(db)).rows).to.deep.equal([{ one: 1 }]);
    await close();
    link.close();
  });

  it("brings a facilitator's first tables up to date with what is in them: their nonces stay taken", async () => {
    const url = await emptyDatabase();
    const first = Object.entries(facilitatorMigrations).slice(0, 1);
    const { db, close } = await openDatabase<FacilitatorSchema>(url, Object.fromEntries(first), logger);
    const { address: payer } = new Wallet(id("an early payer"));
    const words = { payer, node: payer, model: id("version"), request: id("request") };
    const task = { ...words, policy: 0, maxAmount: "5", deadline: 1_800_000_000, nonce: "7" };
    for (const [taskId, state] of [[id("rejected"), "rejected"] as const, [id("held"), "settled"] as const]) {
      const row = { taskId, payer, nonce: 7n, state, deadline: 1_800_000_000n, paymentDigest: id(taskId) };
      await db
        .insertInto("tasks")
        .values({ ...row, task: JSON.stringify(task) } as Insertable<FacilitatorSchema["tasks"]>)
        .execute();
    }
    await sql`insert into transactions values ('0xsigner', 0, ${id("held")}, 'open', '0xhash', '0xraw', 'included', 3, 7)`.execute(
      db,
    );
    await close();

    const store = await openFacilitatorStore(url, logger);
    expect(await store.holdingOf(payer, 7n, null)).to.deep.equal({
      by: "nonce",
      holder: id("held"),
      paymentDigest: id(id("held")),
    });
    const stored = await store.findTask(id("held"));
    expect(stored).to.deep.include({ state: "settled", signature: "", validAfter: null, unlocked: false });
    expect(stored?.transactions.map(({ hash }) => hash)).to.deep.equal(["0xhash"]);
    expect(await store.exposureOf(payer, "")).to.deep.equal({ outstanding: 0n, lost: 0n });
    await store.close();
  });

  it("reads whole numbers as bigint, up to 2^256 - 1", async () => {
    const { db, close } = await openDatabase(await emptyDatabase(), {}, logger);
    const largest = 2n ** 256n - 1n;
    const query = sql<
      Record<string, bigint>
    >`select ${largest.toString()}::numeric(78, 0) as n, 9007199254740993::int8 as i`;
    const { rows } = await query.execute(db);
    await close();
    expect(rows).to.deep.equal([{ n: largest, i: 9007199254740993n }]);
  });

  it("names DATABASE_URL when nobody answers, or a migration fails", async () => {
    const closed = `postgresql://nobody:nothing@127.0.0.1:${await freePort()}/none`;
    const failing = { "001_wrong": { up: () => Promise.reject(new Error("no such thing")) } };
    for (const [url, migrations] of [
      [closed, {}],
      [await emptyDatabase(), failing],
    ] as const) {
      const error = await openDatabase(url, migrations, logger).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(OpgError).and.to.include({ code: "configuration" });
      expect((error as OpgError).message)
        .to.include("DATABASE_URL")
        .and.not.include("nothing");
    }
  });
});
