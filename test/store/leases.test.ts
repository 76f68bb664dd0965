import { expect } from "chai";
import { Client } from "pg";
import { createLogger } from "#service/logger.ts";
import { DatabaseLeases } from "#store/leases.ts";
import { emptyDatabase } from "./testDatabases.ts";

describe("leases", function () {
  this.timeout(60_000);
  let url: string;
  let replicas: [DatabaseLeases, DatabaseLeases];
  let names = 0;

  before(async () => {
    url = await emptyDatabase();
    const logger = createLogger("test", "silent");
    replicas = [new DatabaseLeases(url, logger), new DatabaseLeases(url, logger)];
  });
  after(async () => {
    await Promise.all(replicas.map((replica) => replica.close()));
  });

  const newName = (): string => `work ${names++}`;
  /** Work that goes on until it is told to end. */
  const begin = async (replica: DatabaseLeases, name: string) => {
    const begun = Promise.withResolvers<undefined>();
    const end = Promise.withResolvers<undefined>();
    const done = replica.hold(name, () => {
      begun.resolve(undefined);
      return end.promise;
    });
    await begun.promise;
    return async (): Promise<void> => {
      end.resolve(undefined);
      await done;
    };
  };
  const isFree = async (replica: DatabaseLeases, name: string): Promise<boolean> => {
    let wasDone = false;
    await replica.holdIfFree(name, () => {
      wasDone = true;
      return Promise.resolve();
    });
    return wasDone;
  };
  /** Ends every connection of the leases at the server, as a network would. */
  const cutConnections = async (): Promise<void> => {
    const operator = new Client({ connectionString: url });
    await operator.connect();
    await operator.query(
      "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()",
    );
    await operator.end();
  };

  it("let one work on a name at a time, in one process and in several", async () => {
    const [one, other] = replicas;
    const name = newName();
    const end = await begin(one, name);
    expect(await isFree(one, name)).to.equal(false);
    expect(await isFree(other, name)).to.equal(false);
    expect(await isFree(other, newName())).to.equal(true);
    await end();
    expect(await isFree(other, name)).to.equal(true);
  });

  it("wait for their turn, and overlap never", async () => {
    const name = newName();
    let working = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++working);
      await new Promise((resolve) => setTimeout(resolve, 2));
      working -= 1;
    };
    const workers = [...replicas, ...replicas, ...replicas];
    await Promise.all(workers.map((replica) => replica.hold(name, work)));
    expect(most).to.equal(1);
  });

  it("end when the work fails", async () => {
    const [one, other] = replicas;
    const name = newName();
    const failed = await one.hold(name, () => Promise.reject(new Error("no"))).catch((error: unknown) => error);
    expect((failed as Error).message).to.equal("no");
    expect(await isFree(other, name)).to.equal(true);
  });

  it("end with the process that had them", async () => {
    const name = newName();
    const dying = new DatabaseLeases(url, createLogger("test", "silent"));
    const end = await begin(dying, name);
    await dying.close();
    expect(await isFree(replicas[0], name)).to.equal(true);
    await end();
  });

  it("are had again after the connection was lost, by their process only when its work is done", async () => {
    const [one, other] = replicas;
    const name = newName();
    const end = await begin(one, name);
    await cutConnections();
    while (!(await isFree(other, name).catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await isFree(one, name)).to.equal(false);
    await end();
    expect(await isFree(one, name)).to.equal(true);
  });
});
