import { expect } from "chai";
import pg from "pg";
import { createLogger } from "#service/logger.ts";
import { type FacilitatorSchema, facilitatorMigrations } from "#store/facilitatorSchema.ts";
import { openDatabase } from "#store/openDatabase.ts";
import { openFacilitatorStore } from "#store/facilitatorStore.ts";
import { emptyDatabase } from "./testDatabases.ts";

const logger = createLogger("test", "silent");
const insert = `insert into claims (payer, nonce, holder, token, amount, exposed, sponsored)
  select 'payer ' || n % 5, n, 'holder ' || n, 'token ' || n % 2, n, n % 3 > 0, false from generate_series($1::int, $2::int) n`;
const summed = `select payer, token, sum(amount) as outstanding from claims where exposed group by payer, token`;

describe("what payers owe", function () {
  this.timeout(60_000);
  let client: pg.Client;

  afterEach(() => client.end());

  async function connect(): Promise<string> {
    const url = await emptyDatabase();
    client = new pg.Client({ connectionString: url });
    await client.connect();
    return url;
  }

  async function expectSums(): Promise<void> {
    const order = "order by payer, token";
    const { rows: kept } = await client.query(`select * from exposures where outstanding <> 0 ${order}`);
    const { rows: sums } = await client.query(`${summed} ${order}`);
    expect(kept).to.deep.equal(sums).and.not.to.be.empty;
  }

  it("is summed up of the claims that are there already", async () => {
    const url = await connect();
    const older = Object.fromEntries(Object.entries(facilitatorMigrations).filter(([name]) => name < "010"));
    await (await openDatabase<FacilitatorSchema>(url, older, logger)).close();
    await client.query(insert, [1, 100]);
    await (await openFacilitatorStore(url, logger)).close();
    await expectSums();
  });

  it("follows every claim that comes, changes or goes, many in one statement too", async () => {
    const store = await openFacilitatorStore(await connect(), logger);
    await store.close();
    const changes = [
      "update claims set exposed = not exposed where nonce % 7 = 0",
      "update claims set amount = amount + 1 where nonce % 4 = 0",
      "update claims set payer = 'payer 9' where nonce % 10 = 0",
      "delete from claims where nonce % 6 = 1",
      "update claims set sponsored = false",
    ];
    await client.query(insert, [1, 100]);
    for (const change of changes) {
      await client.query(change);
      await expectSums();
    }
    await client.query(insert, [101, 200]);
    await expectSums();
  });

  it("keeps no sums of payers who owe nothing, once they are looked for", async () => {
    const store = await openFacilitatorStore(await connect(), logger);
    await client.query(insert, [1, 100]);
    await client.query("update claims set exposed = false where payer = 'payer 1'");
    await store.prunePayments(0);
    await store.close();
    const { rows } = await client.query("select distinct payer from exposures order by payer");
    expect(rows.map(({ payer }: { payer: string }) => payer)).to.deep.equal([0, 2, 3, 4].map((n) => `payer ${n}`));
  });
});
