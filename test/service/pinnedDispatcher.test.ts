import { expect } from "chai";
import { id } from "ethers";
import { Hono } from "hono";
import { z } from "zod";
import { makeKeys } from "#node/enclave/makeKeys.ts";
import { systemClock } from "#service/clock.ts";
import { httpCall } from "#service/httpCall.ts";
import { type HttpServer, startHttpServer } from "#service/httpServer.ts";
import { pinnedDispatcher } from "#service/pinnedDispatcher.ts";
import { rejection } from "#test/execution/rejection.ts";

describe("pinnedDispatcher", () => {
  let requests = 0;
  let server: HttpServer;
  let plain: HttpServer;
  let keyHash: string;

  before(async () => {
    const app = new Hono();
    app.post("/", (context) => {
      requests += 1;
      return context.json({ heard: true });
    });
    const { tls, identity } = await makeKeys(systemClock());
    keyHash = identity.tlsKeyHash;
    server = await startHttpServer(app, { host: "127.0.0.1", port: 0, tls });
    plain = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
  });

  after(() => Promise.all([server.close(0), plain.close(0)]));

  const call = (url: string, pinned: string) =>
    httpCall({
      method: "POST",
      url,
      body: { secret: "prompt" },
      answer: z.object({ heard: z.boolean() }),
      timeoutSeconds: 5,
      unavailable: "node_unavailable",
      dispatcher: pinnedDispatcher(pinned),
    });

  it("reaches the server that holds the key, again and again", async () => {
    const before = requests;
    expect(await call(server.url, keyHash)).to.deep.equal({ heard: true });
    expect(await call(server.url, keyHash.toUpperCase().replace("0X", "0x"))).to.deep.equal({ heard: true });
    expect(requests).to.equal(before + 2);
  });

  it("sends nothing to a server with another key", async () => {
    const before = requests;
    const { identity } = await makeKeys(systemClock());
    for (const other of [identity.tlsKeyHash, id("no key")]) {
      expect((await rejection(call(server.url, other))).code).to.equal("node_unavailable");
    }
    expect(requests).to.equal(before);
  });

  it("sends nothing over plain HTTP", async () => {
    const before = requests;
    expect((await rejection(call(plain.url, keyHash))).code).to.equal("node_unavailable");
    expect(requests).to.equal(before);
  });
});
