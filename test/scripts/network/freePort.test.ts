import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { freePort } from "#scripts/network/freePort.ts";

const program = fileURLToPath(new URL("programs/printPorts.ts", import.meta.url));

describe("freePort", () => {
  const children: ChildProcess[] = [];

  after(() => children.forEach((child) => child.kill()));

  it("gives no port that another living process was given", async () => {
    const others = await Promise.all([portsOfProcess(children), portsOfProcess(children)]);
    const own = await Promise.all(Array.from({ length: 20 }, freePort));
    const all = [...own, ...others.flat()];
    expect(new Set(all)).to.have.lengthOf(60);
  });

  it("gives no port that something listens on, and none that the system gives to others by itself", async () => {
    const server = createServer();
    const taken = await freePort();
    await new Promise<void>((listening) => server.listen(taken, "127.0.0.1", listening));
    try {
      for (let round = 0; round < 250; round += 1) {
        const port = await freePort();
        expect(port).to.not.equal(taken);
        expect(port).to.be.within(10_000, 15_999);
      }
    } finally {
      server.close();
    }
  });
});

/** Twenty ports that a process of its own was given; it lives on. */
async function portsOfProcess(children: ChildProcess[]): Promise<number[]> {
  const child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const ports: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (ports.push(Number(line)) === 20) return ports;
  }
  throw new Error(`the process ended after ${ports.length} ports`);
}
