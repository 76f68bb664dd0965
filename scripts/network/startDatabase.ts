import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { OpgError } from "#protocol/errors.ts";
import { databasePlace, type DatabasePlace } from "./databasePlace.ts";
import { requireFreePort } from "./freePort.ts";
import { ownedProcess, type OwnedProcess } from "./ownedProcess.ts";

/** Where and how the database server runs. */
export interface DatabaseOptions {
  /** Its data and its password are kept here; a later start goes on with them. */
  folder: string;
  /** On 127.0.0.1. */
  port: number;
  logFile: string;
}

/** A PostgreSQL server that runs until it is stopped or this process ends. */
export interface DatabaseServer {
  process: OwnedProcess;
  /**
   * @param databaseName - lower case letters, digits and underscores; the database is made if there is none
   * @returns a connection URL for it, with the password in it
   */
  urlFor(databaseName: string): Promise<string>;
  /** Disconnects whoever is connected, writes everything to disk and ends the server. */
  stop(): Promise<void>;
}

const superuser = "opg";

/**
 * Starts PostgreSQL from the binaries that npm brought, on the loopback interface only.
 *
 * @throws OpgError `configuration` when the port is in use or there are no binaries for this platform
 * @throws OpgError `internal` when the server ends at once
 */
export async function startDatabase(options: DatabaseOptions): Promise<DatabaseServer> {
  const { folder, port, logFile } = options;
  await requireFreePort(port, "the database");
  const place = await databasePlace(folder);
  const password = await passwordIn(folder);
  if (!existsSync(place.data)) await initialise(place, password);
  await removeStaleLock(place.data);

  const server = ownedProcess({
    name: "PostgreSQL",
    command: join(place.binaries, "postgres"),
    parameters: ["-D", place.data, "-p", `${port}`, ...settings.flatMap((setting) => ["-c", setting])],
    user: place.user,
    logFile,
    // A fast shutdown: SIGTERM would wait for every client to leave.
    stopSignal: "SIGINT",
  });
  await server.line((line) => line.includes("database system is ready to accept connections"));

  const urlOf = (name: string): string => `postgresql://${superuser}:${password}@127.0.0.1:${port}/${name}`;
  return {
    process: server,
    urlFor: async (databaseName) => {
      await createDatabase(urlOf("postgres"), databaseName);
      return urlOf(databaseName);
    },
    stop: () => server.stop(),
  };
}

const settings = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "max_connections=200",
  "log_destination=stderr",
  "logging_collector=off",
  "lc_messages=C",
  "timezone=UTC",
];

async function passwordIn(folder: string): Promise<string> {
  const file = join(folder, "password");
  if (!existsSync(file)) await writeFile(file, randomBytes(24).toString("hex"), { mode: 0o600 });
  return await readFile(file, "utf8");
}

/** Makes the data folder under another name first: a server never meets a half-made one. */
async function initialise(place: DatabasePlace, password: string): Promise<void> {
  const unfinished = `${place.data}.unfinished`;
  const passwordFile = `${place.data}.password`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (place.user !== undefined) {
    for (const path of [unfinished, passwordFile]) await chown(path, place.user, place.user);
  }
  const identity = place.user === undefined ? {} : { uid: place.user, gid: place.user };
  const parameters = ["-D", unfinished, `--username=${superuser}`, `--pwfile=${passwordFile}`];
  const kind = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"];
  try {
    await promisify(execFile)(join(place.binaries, "initdb"), [...parameters, ...kind], identity);
  } catch (cause) {
    throw new OpgError(
      "internal",
      `PostgreSQL could not make its data folder ${unfinished}; look at its log.`,
      {},
      { cause },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(unfinished, place.data);
}

/**
 * A killed server leaves its lock behind. PostgreSQL takes the lock over only if no process has the number in it, but
 * numbers are given again, in a restarted container nearly always. So the lock goes when nothing answers on its port.
 */
async function removeStaleLock(data: string): Promise<void> {
  const file = join(data, "postmaster.pid");
  if (!existsSync(file)) return;
  const port = Number((await readFile(file, "utf8")).split("\n")[3]);
  if (await answers(port)) {
    throw new OpgError(
      "configuration",
      `The database in ${data} is in use already, on port ${port}; stop what uses it and start again.`,
      { port },
    );
  }
  await rm(file);
}

function answers(port: number): Promise<boolean> {
  if (!Number.isInteger(port)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => {
      end(true);
    });
    socket.once("error", () => {
      end(false);
    });
  });
}

async function createDatabase(adminUrl: string, name: string): Promise<void> {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) {
    throw new OpgError(
      "configuration",
      "A database's name has lower case letters, digits and underscores only; choose another.",
      {
        name,
      },
    );
  }
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const known = await client.query("SELECT FROM pg_database WHERE datname = $1", [name]);
    if (known.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
