import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
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
  async function call(words: string): Promise<string> {
    const socket = connect(Number(new URL(port.url).port), "127.0.0.1");
    let heard = "";
    socket.setEncoding("utf8").on("data", (said: string) => (heard += said));
    socket.end(words);
    await once(socket, "close");
    return heard;
  }

  /** Connects from an address and says nothing. */
  const idle = (localAddress: string, to = port): Socket =>
    connect({ port: Number(new URL(to.url).port), host: "127.0.0.1", localAddress }).on("error", () => undefined);
  const closed = async (socket: Socket): Promise<void> => {
    if (!socket.closed) await once(socket, "close");
  };

  it("are a quarter of all to one address, and its again when they are closed", async () => {
    const held = Array.from({ length: 250 }, () => idle("127.0.0.2"));
    await eventually(async () => (await connections()) === 250 || undefined);
    await closed(idle("127.0.0.2"));
    expect(await call("from another address")).to.equal("from another address");
    for (const socket of held) socket.destroy();
    await eventually(async () => (await connections()) === 0 || undefined);
    const again = idle("127.0.0.2");
    again.end("again");
    expect(await text(again)).to.equal("again");
  });

  it("are cut when nothing comes for a while, and not when something has come", async () => {
    const impatient = await forwardConnections(join(folder, "connections"), { host: "127.0.0.1", port: 0 }, 0.2);
    const speaking = idle("127.0.0.1", impatient);
    speaking.write("a word");
    await closed(idle("127.0.0.1", impatient));
    await sleep(300);
    expect(speaking.closed).to.equal(false);
    speaking.end(" and another");
    expect(await text(speaking)).to.equal("a word and another");
    await impatient.close();
  });

  it("carry what both sides say, and leave no timer behind when they have ended", async () => {
    const before = timers();
    const texts = Array.from({ length: CALLERS }, (_, caller) => `caller ${caller}`);
    expect(await Promise.all(texts.map(call))).to.deep.equal(texts);
    await eventually(async () => (await connections()) === 0 || undefined);
    expect(timers()).to.be.lessThan(before + CALLERS / 2);
  });
});
