import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { encodeFrame } from "#node/enclave/frames.ts";
import { MessageChannel } from "#node/enclave/messageChannel.ts";
import { enclaveRequests, hostRequests } from "#node/enclave/messages.ts";
import { OpgError } from "#protocol/errors.ts";
import { withRequestId } from "#service/requestId.ts";
import { rejection } from "#test/execution/rejection.ts";

const page = { status: 200, contentType: "text/plain", body: "fine" };
const heads = (length: number): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  return head;
};
const framed = (...bytes: number[]): Buffer => Buffer.concat([heads(bytes.length), Buffer.from(bytes)]);
const limits = { maxBytes: 1_000, maxSentBytes: 1_000 };
const request = { version: 1, id: 1, type: "page", body: { path: "/info" } };

describe("a channel between an enclave and its host", () => {
  let folder: string;
  let server: Server;
  let enclaveEnd: Socket;
  let hostEnd: Socket;
  let asked: unknown[];

  beforeEach(async () => {
    asked = [];
    folder = mkdtempSync(join(tmpdir(), "opg-channel-"));
    const path = join(folder, "socket");
    server = createServer().listen(path);
    await once(server, "listening");
    const accepted = once(server, "connection");
    enclaveEnd = connect(path);
    [hostEnd] = (await accepted) as [Socket];
  });
  afterEach(async () => {
    for (const socket of [enclaveEnd, hostEnd]) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  const host = (answer: () => Promise<typeof page> = () => Promise.resolve(page)) => {
    const refuse = () => Promise.reject(new OpgError("invalid_release", "Not here.", { field: "x" }));
    const handlers = {
      ...{ admit: refuse, begin: refuse, abandon: refuse, certify: refuse },
      page: (body: unknown) => {
        asked.push(body);
        return answer();
      },
    };
    const spoken = { asked: hostRequests, answered: enclaveRequests, handlers: () => handlers, ...limits };
    return new MessageChannel(hostEnd, spoken);
  };
  const enclave = () =>
    new MessageChannel(enclaveEnd, { asked: enclaveRequests, answered: {}, handlers: () => ({}), ...limits });

  /** What the host sends back to raw bytes, until it falls silent or cuts the connection. */
  async function answerTo(...bytes: Buffer[]): Promise<string> {
    let said = Buffer.alloc(0);
    enclaveEnd.on("data", (chunk: Buffer) => (said = Buffer.concat([said, chunk])));
    for (const part of bytes) enclaveEnd.write(part);
    const closed = once(enclaveEnd, "close").then(() => "closed");
    const answered = once(enclaveEnd, "data").then(() => said.toString("latin1"));
    return Promise.race([closed, answered]);
  }

  it("carries answers and typed errors, many at once, and the request's id", async () => {
    const gates = [Promise.withResolvers<typeof page>(), Promise.withResolvers<typeof page>()];
    host(() => gates[asked.length - 1]!.promise);
    const channel = enclave();
    const answers = [
      withRequestId("a-known-request", () => channel.ask("page", { path: "/info" })),
      channel.ask("page", { path: "/ready" }),
    ];
    await Promise.all([once(hostEnd, "data"), new Promise((resolve) => setTimeout(resolve, 20))]);
    gates[1]!.resolve({ ...page, body: "second" });
    gates[0]!.resolve(page);
    expect((await Promise.all(answers)).map(({ body }) => body)).to.deep.equal(["fine", "second"]);
    const error = await rejection(channel.ask("abandon", { taskId: `0x${"0".repeat(64)}`, code: "timeout" }));
    expect(error).to.deep.include({ code: "invalid_release", values: { field: "x" } });
  });

  it("takes a frame in pieces of a byte each, and several in one piece", async () => {
    host();
    const frame = encodeFrame(request);
    expect(await answerTo(...Array.from(frame, (byte) => Buffer.of(byte)))).to.include("fine");
    enclaveEnd.write(Buffer.concat([frame, frame, frame]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked).to.have.length(4);
  });

  it("answers what it does not know, or what is wrong, with a typed error, and goes on", async () => {
    host(() => Promise.reject(new Error("a secret")));
    const wrong = [
      [{ ...request, type: "export" }, "not_found"],
      [{ ...request, type: "constructor" }, "not_found"],
      [{ ...request, body: { path: "/keys" } }, "invalid_body"],
      [{ ...request, body: null }, "invalid_body"],
      [request, "internal"],
    ] as const;
    for (const [message, code] of wrong) {
      const said = await answerTo(encodeFrame(message));
      expect(said, code).to.include(code).and.not.to.include("secret");
    }
  });

  const broken = {
    "of another version": encodeFrame({ ...request, version: 2 }),
    "with a field too many": encodeFrame({ ...request, key: "k" }),
    "without an id": encodeFrame({ version: 1, type: "page", body: {} }),
    "that is no CBOR": framed(0xff, 0xff),
    "with bytes left over": framed(0xa0, 0x00),
    "not in its shortest form": framed(0x18, 0x01),
    "of indefinite length": framed(0xbf, 0xff),
    "with a key twice": framed(0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02),
    "with keys out of order": framed(0xa2, 0x61, 0x62, 0x01, 0x61, 0x61, 0x02),
    "that is empty": framed(),
    "nested without end": framed(...Array<number>(900).fill(0x81), 0x00),
    "above the limit, by its head alone": heads(1_001),
    "above all limits": heads(0xffff_ffff),
  };
  for (const [name, frame] of Object.entries(broken)) {
    it(`cuts off who sends a frame ${name}`, async () => {
      host();
      expect(await answerTo(frame)).to.equal("closed");
      expect(asked).to.deep.equal([]);
    });
  }

  it("fails what was asked when the other side is gone, and what is asked after that", async () => {
    const channel = enclave();
    const asking = channel.ask("page", { path: "/info" });
    asking.catch(() => undefined);
    hostEnd.destroy();
    expect(await rejection(asking)).to.include({ code: "node_unavailable" });
    await channel.closed;
    expect(await rejection(channel.ask("page", { path: "/info" }))).to.include({ code: "node_unavailable" });
  });

  it("fails one request, not the connection, by what the other side could not read", async () => {
    const odd = {
      "a long body": () => Promise.resolve({ ...page, body: "x".repeat(1_000) }),
      "a long reason": () => Promise.reject(new OpgError("timeout", "x".repeat(1_000))),
      "a value that is none": () => Promise.reject(new OpgError("timeout", "Late.", { details: null as never })),
      "an infinite value": () => Promise.reject(new OpgError("timeout", "Late.", { seconds: Infinity })),
    };
    const answers = Object.values(odd);
    host(() => answers[asked.length - 1]?.() ?? Promise.resolve(page));
    const channel = enclave();
    for (const name of Object.keys(odd)) {
      const { code } = await rejection(channel.ask("page", { path: "/info" }));
      expect(code, name).to.equal(name.includes("long") ? "internal" : "timeout");
    }
    const long = channel.ask("abandon", { taskId: "x".repeat(1_000), code: "timeout" });
    expect(await rejection(long)).to.include({ code: "internal" });
    expect(await channel.ask("page", { path: "/info" })).to.deep.equal(page);
  });

  it("does not take for an answer what is none", async () => {
    host(() => Promise.resolve({ ...page, status: 9 }));
    expect(await rejection(enclave().ask("page", { path: "/info" }))).to.include({ code: "internal" });
  });
});
