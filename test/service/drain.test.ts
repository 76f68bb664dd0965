import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const program = fileURLToPath(new URL("programs/slowDaemon.ts", import.meta.url));

describe("a daemon that is told to end", function () {
  this.timeout(30_000);

  let process_: ChildProcess;
  let url: string;
  let messages: string[];
  let ended: Promise<unknown[]>;

  async function start(drainSeconds: number): Promise<void> {
    const env = { ...process.env, OPG_DRAIN_SECONDS: String(drainSeconds) };
    const child = spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "inherit"] });
    process_ = child;
    messages = [];
    ended = once(child, "exit");
    url = await new Promise<string>((resolve) => {
      createInterface(child.stdout).on("line", (line) => {
        const entry = JSON.parse(line) as { msg: string; url?: string };
        messages.push(entry.msg);
        if (entry.url !== undefined) resolve(entry.url);
      });
    });
  }

  afterEach(() => process_.kill("SIGKILL"));

  const codeOf = (body: unknown) => (body as { error?: { code: string } }).error?.code;

  it("ends what runs, takes nothing new, says so, closes its store, and exits 0", async () => {
    await start(20);
    const running = fetch(`${url}/slow/1500`);
    await sleep(200);
    process_.kill("SIGTERM");
    await sleep(200);

    const ready = await fetch(`${url}/ready`);
    expect(ready.status).to.equal(503);
    expect(await ready.json()).to.deep.equal({ status: "draining", missing: {} });
    expect((await fetch(`${url}/health`)).status).to.equal(200);
    const refused = await fetch(`${url}/slow/0`);
    expect(refused.status).to.equal(503);
    expect(refused.headers.get("connection")).to.equal("close");
    expect(refused.headers.get("retry-after")).to.equal("1");
    expect(codeOf(await refused.json())).to.equal("draining");

    expect(await (await running).json()).to.deep.equal({ done: true });
    expect(await ended).to.deep.equal([0, null]);
    expect(messages).to.deep.equal(["listening", "stopping", "slow request done", "store closed"]);
  });

  it("cuts off what runs too long, and exits 0 all the same", async () => {
    await start(1);
    const running = fetch(`${url}/slow/60000`).catch(() => "cut off");
    await sleep(200);
    const began = performance.now();
    process_.kill("SIGTERM");
    expect(await running).to.equal("cut off");
    expect(await ended).to.deep.equal([0, null]);
    expect(performance.now() - began).to.be.within(900, 6_000);
    expect(messages).to.deep.equal(["listening", "stopping", "store closed"]);
  });

  it("ends at once where nothing runs", async () => {
    await start(20);
    await fetch(`${url}/health`);
    const began = performance.now();
    process_.kill("SIGTERM");
    expect(await ended).to.deep.equal([0, null]);
    expect(performance.now() - began).to.be.lessThan(5_000);
  });
});
