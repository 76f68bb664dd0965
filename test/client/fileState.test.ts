import { execFile, spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { id, ZeroAddress } from "ethers";
import { fileState } from "#client/fileState.ts";
import type { StateContent } from "#client/clientState.ts";
import type { PaymentReceipt } from "#client/paymentReceipt.ts";
import { OpgError } from "#protocol/errors.ts";

const run = promisify(execFile);
const program = new URL("./programs/spendTogether.ts", import.meta.url).pathname;

const receipt: PaymentReceipt = {
  id: "opg_0123456789abcdef",
  url: "https://api.test/paid",
  request: id("request"),
  account: "eip155:1:0x01",
  scheme: "exact",
  asset: ZeroAddress,
  payTo: ZeroAddress,
  amount: 5n,
  createdAt: 1,
  expiresAt: 61,
  header: "e30=",
  state: "sent",
  reason: null,
  settlement: null,
  settlementUrl: null,
  task: null,
};

/** A change that counts how often it was made. */
function count(content: StateContent): { content: StateContent; value: number } {
  const next = (content.nonces[0]?.next ?? 0) + 1;
  return { content: { ...content, nonces: [{ account: "a", word: 1n, next }] }, value: next };
}

/** What other processes leave behind that made versions 2 to `last` meanwhile. */
function overtake(folder: string, last: number): void {
  const pathOf = (version: number): string => join(folder, `state-${version}.json`);
  const first = readFileSync(pathOf(1), "utf8");
  for (let version = 2; version <= last; version++) {
    writeFileSync(pathOf(version), first.replace('"next":1', `"next":${version}`));
    rmSync(pathOf(version - 32), { force: true });
  }
}

/** What the program said in whole lines. */
function readLines(text: string): { nonce: string; spent: number }[] {
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as { nonce: string; spent: number });
}

describe("fileState", function () {
  this.timeout(60_000);

  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "opg-state-"));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("is there again after a restart", async () => {
    await fileState(folder).update(count);
    await fileState(folder).add(receipt);
    const again = fileState(folder);
    expect(await again.update(count)).to.equal(2);
    expect(await again.receipt(receipt.id)).to.deep.equal(receipt);
    expect(await again.receipts()).to.deep.equal([receipt]);
  });

  it("loses no change of several that come at once", async () => {
    const states = Array.from({ length: 4 }, () => fileState(folder));
    const seen = await Promise.all(Array.from({ length: 100 }, (_, turn) => states[turn % 4]!.update(count)));
    expect(seen.sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it("gives processes on one folder different nonces of one word, and one limit together", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 3 }, () => run(process.execPath, [program, folder, "40", "50"])),
    );
    const told = outcomes.flatMap(({ stdout }) => readLines(stdout));
    const nonces = told.map(({ nonce }) => BigInt(nonce));
    expect(nonces).to.have.length(120);
    expect(new Set(nonces).size).to.equal(120);
    expect(new Set(nonces.map((nonce) => nonce >> 8n)).size).to.equal(1);
    expect(told.reduce((sum, { spent }) => sum + spent, 0)).to.equal(50);
  });

  it("has counted everything that a killed process spent, and goes on", async () => {
    const child = spawn(process.execPath, [program, folder, "100000", "100000"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let told = "";
    for await (const text of child.stdout.setEncoding("utf8")) {
      told += String(text);
      if (readLines(told).length >= 30) child.kill("SIGKILL");
    }
    const spent = readLines(told).length;
    const counted = await fileState(folder).update((content) => ({
      content,
      value: content.spending.amounts[0]?.amount ?? 0n,
    }));
    expect(Number(counted)).to.be.within(spent, spent + 1);
  });

  it("keeps a change whole or not at all when the process dies over it", async () => {
    await fileState(folder).update(count);
    await writeFile(join(folder, "draft-of-a-dead-process"), '{"version":1,"non');
    expect(await fileState(folder).update(count)).to.equal(2);
  });

  it("changes nothing where the change itself fails", async () => {
    const state = fileState(folder);
    await state.update(count);
    const failed = await state
      .update(() => {
        throw new OpgError("spending_limit_reached", "Too much.");
      })
      .catch((error: unknown) => error);
    expect(failed).to.have.property("code", "spending_limit_reached");
    expect(await state.update(count)).to.equal(2);
  });

  it("finds out that it was overtaken by many while it slept over a change", async () => {
    const [slow, fast] = [fileState(folder), fileState(folder)];
    await fast.update(count);
    let isFirst = true;
    const sleepy = slow.update((content) => {
      const changed = count(content);
      if (isFirst) overtake(folder, 40);
      isFirst = false;
      return changed;
    });
    expect(await sleepy).to.equal(41);
    expect(await fast.update(count)).to.equal(42);
  });

  it("keeps a payment once, whoever comes first", async () => {
    const [one, other] = [fileState(folder), fileState(folder)];
    const kept = await Promise.all([
      one.add({ ...receipt, header: "b25l" }),
      other.add({ ...receipt, header: "b3RoZXI=" }),
    ]);
    expect(kept[0].header).to.equal(kept[1].header);
    await one.replace({ ...receipt, state: "answered" });
    expect((await other.receipt(receipt.id))?.state).to.equal("answered");
  });

  it("does not fill the folder", async () => {
    const state = fileState(folder);
    for (let changes = 0; changes < 80; changes++) await state.update(count);
    expect((await readdir(folder)).length).to.be.lessThan(40);
  });

  it("shows signatures to nobody else", async () => {
    await fileState(folder).add(receipt);
    const path = join(folder, "payments", `${receipt.id}.json`);
    expect((await stat(path)).mode & 0o077).to.equal(0);
  });

  it("says what is the matter with a folder that it cannot use", async () => {
    const path = join(folder, "file");
    await writeFile(path, "");
    const error = await fileState(path)
      .update(count)
      .catch((cause: unknown) => cause);
    expect(error).to.have.property("code", "configuration");
  });
});
