import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type ForwardedPort, forwardConnections } from "#node/forwardConnections.ts";
import { eventually } from "./nodeNetwork.ts";

const CALLERS = 20;

describe("connections that are forwarded to an enclave", () => {
  const folder = mkdtempSync(join(tmpdir(), "opg-forward-"));
  let enclave: Server;
  let port: ForwardedPort;

  before(async () => {
    const path = join(folder, "connections");
    enclave = createServer((socket) => socket.pipe(socket)).listen(path);
    await once(enclave, "listening");
    port = await forwardConnections(path, { host: "127.0.0.1", port: 0 });
  });

  after(async () => {
    await port.close();
    enclave.close();
    rmSync(folder, { recursive: true });
  });

  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) =>
      enclave.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );

  /** Says something, and gives what came back by the time that both sides had ended. */
  async function call(text: string): Promise<string> {
    const socket = connect(Number(new URL(port.url).port), "127.0.0.1");
    let heard = "";
    socket.setEncoding("utf8").on("data", (said: string) => (heard += said));
    socket.end(text);
    await once(socket, "close");
    return heard;
  }

  it("carry what both sides say, and leave no timer behind when they have ended", async () => {
    const before = timers();
    const texts = Array.from({ length: CALLERS }, (_, caller) => `caller ${caller}`);
    expect(await Promise.all(texts.map(call))).to.deep.equal(texts);
    await eventually(async () => (await connections()) === 0 || undefined);
    expect(timers()).to.be.lessThan(before + CALLERS / 2);
  });
});
