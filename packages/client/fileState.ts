import { randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { OpgError } from "../protocol/errors.ts";
import {
  type ClientState,
  emptyState,
  type StateChange,
  type StateContent,
  stateContentJson,
  stateContentToJson,
} from "./clientState.ts";
import { type PaymentReceipt, paymentReceiptJson, paymentReceiptToJson } from "./paymentReceipt.ts";

/**
 * Versions that are kept behind the newest. One that a process makes further back than this had been there before and was
 * removed while the process slept.
 */
const KEPT_VERSIONS = 32;
const MAX_WAIT_MS = 20;
/** Signatures are inside: nobody else may read them. */
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/**
 * Keeps a client's state in a folder, safe for any number of processes and against a crash at any moment.
 *
 * There is no lock that could be left behind. Every change is a new file `state-<version>.json`, written whole beside it
 * and then linked to that name, which the file system grants to one process only; who comes second reads the new version
 * and applies its change to that. Receipts are files in `payments`, one each.
 *
 * @param folder - on a file system with hard links; made when it is not there
 */
export function fileState(folder: string): ClientState {
  const payments = join(folder, "payments");
  let turn: Promise<unknown> = Promise.resolve();

  /** Changes of one process wait for each other here rather than at the file system. */
  function inTurn<Value>(act: () => Promise<Value>): Promise<Value> {
    const result = turn
      .then(() => mkdir(payments, { recursive: true, mode: PRIVATE_FOLDER }))
      .then(act)
      .catch((cause: unknown) => {
        throw cause instanceof OpgError ? cause : unusable(folder, cause);
      });
    turn = result.catch(() => undefined);
    return result;
  }

  const pathOf = (id: string): string => join(payments, `${id}.json`);
  const json = (receipt: PaymentReceipt): string => JSON.stringify(paymentReceiptToJson(receipt));

  return {
    update: (change) => inTurn(() => updateState(folder, change)),
    add: (receipt) =>
      inTurn(async () =>
        (await writeOnce(payments, pathOf(receipt.id), json(receipt)))
          ? receipt
          : ((await readReceipt(pathOf(receipt.id))) ?? receipt),
      ),
    replace: (receipt) =>
      inTurn(async () => {
        const draft = await writeDraft(payments, json(receipt));
        await rename(draft, pathOf(receipt.id));
        await syncFolder(payments);
      }),
    receipt: (id) => inTurn(() => readReceipt(pathOf(id))),
    receipts: () => inTurn(() => readReceipts(payments)),
  };
}

async function updateState<Value>(folder: string, change: StateChange<Value>): Promise<Value> {
  for (;;) {
    const version = Math.max(0, ...(await versionsIn(folder)));
    const before = version === 0 ? emptyState : await readContent(folder, version);
    if (before === undefined) continue;
    const { content, value } = change(before);
    if (content === before) return value;
    if (await commit(folder, version + 1, content)) return value;
    await sleep(Math.random() * MAX_WAIT_MS);
  }
}

/** Makes a version, unless another process was first. */
async function commit(folder: string, version: number, content: StateContent): Promise<boolean> {
  const path = pathOfVersion(folder, version);
  if (!(await writeOnce(folder, path, JSON.stringify(stateContentToJson(content))))) return false;
  const versions = await versionsIn(folder);
  if (Math.max(...versions) >= version + KEPT_VERSIONS) {
    await rm(path, { force: true });
    return false;
  }
  const outdated = versions.filter((other) => other <= version - KEPT_VERSIONS);
  await Promise.all(outdated.map((other) => rm(pathOfVersion(folder, other), { force: true })));
  return true;
}

function pathOfVersion(folder: string, version: number): string {
  return join(folder, `state-${version}.json`);
}

async function versionsIn(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names.flatMap((name) => {
    const digits = /^state-([1-9][0-9]*)\.json$/.exec(name)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
}

/** The content of a version; nothing where it was removed meanwhile. */
async function readContent(folder: string, version: number): Promise<StateContent | undefined> {
  const text = await readIfThere(pathOfVersion(folder, version));
  return text === undefined ? undefined : stateContentJson.parse(JSON.parse(text));
}

async function readReceipt(path: string): Promise<PaymentReceipt | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : paymentReceiptJson.parse(JSON.parse(text));
}

async function readReceipts(payments: string): Promise<PaymentReceipt[]> {
  const names = (await readdir(payments)).filter((name) => name.endsWith(".json"));
  const found = await Promise.all(names.map((name) => readReceipt(join(payments, name))));
  return found.filter((receipt) => receipt !== undefined).sort((a, b) => a.createdAt - b.createdAt);
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((cause: unknown) => {
    if (isCode(cause, "ENOENT")) return undefined;
    throw cause;
  });
}

/** Gives a new file its content and its name in one step. @returns whether the name was free */
async function writeOnce(folder: string, path: string, text: string): Promise<boolean> {
  const draft = await writeDraft(folder, text);
  try {
    await link(draft, path);
    await syncFolder(folder);
    return true;
  } catch (cause) {
    if (isCode(cause, "EEXIST")) return false;
    throw cause;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Writes a file that nobody reads yet, down to the disk. */
async function writeDraft(folder: string, text: string): Promise<string> {
  const path = join(folder, `draft-${randomUUID()}`);
  const file = await open(path, "wx", PRIVATE_FILE);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return path;
}

/** Names are lost with the power as contents are; Windows keeps its own and opens no folder. */
async function syncFolder(path: string): Promise<void> {
  if (platform === "win32") return;
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && "code" in cause && cause.code === code;
}

function unusable(folder: string, cause: unknown): OpgError {
  const message = `The state in ${folder} cannot be read or written; nothing was signed. Give a folder that this user may write to, and leave its files as they are.`;
  return new OpgError("configuration", message, { folder }, { cause });
}
