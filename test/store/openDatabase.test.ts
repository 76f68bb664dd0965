import { expect } from "chai";
import { sql } from "kysely";
import { OpgError } from "#protocol/errors.ts";
import { freePort } from "#scripts/network/freePort.ts";
import { createLogger } from "#service/logger.ts";
import { openFacilitatorStore } from "#store/facilitatorStore.ts";
import { openDatabase } from "#store/openDatabase.ts";
import { startTestDatabase, type TestDatabase } from "./testDatabase.ts";

const logger = createLogger("test", "silent");

describe("openDatabase", function () {
  this.timeout(60_000);
  let server: TestDatabase;

  before(async () => {
    server = await startTestDatabase();
  });
  after(() => server.close());

  it("lets five processes bring the same empty database up to date at once", async () => {
    const url = await server.urlFor("raced");
    const stores = await Promise.all(Array.from({ length: 5 }, () => openFacilitatorStore(url, logger)));
    expect(await stores[0]?.sentTransactions()).to.deep.equal([]);
    await Promise.all(stores.map((store) => store.close()));
  });

  it("runs each migration once, in the order of the names", async () => {
    const url = await server.urlFor("ordered");
    const ran: string[] = [];
    const migration = (name: string) => ({ up: () => Promise.resolve(void ran.push(name)) });
    const first = { "001_one": migration("one") };
    await (await openDatabase(url, first, logger)).close();
    await (await openDatabase(url, { "002_two": migration("two"), ...first }, logger)).close();
    expect(ran).to.deep.equal(["one", "two"]);
  });

  it("reads whole numbers as bigint, up to 2^256 - 1", async () => {
    const { db, close } = await openDatabase(await server.urlFor("numbers"), {}, logger);
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
      [await server.urlFor("wrong"), failing],
    ] as const) {
      const error = await openDatabase(url, migrations, logger).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(OpgError).and.to.include({ code: "configuration" });
      expect((error as OpgError).message)
        .to.include("DATABASE_URL")
        .and.not.include("nothing");
    }
  });
});
