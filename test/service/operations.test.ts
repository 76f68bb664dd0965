import { BlockList } from "node:net";
import { expect } from "chai";
import type { Hono } from "hono";
import { watchChain } from "#service/chainMetrics.ts";
import { createApp } from "#service/httpApp.ts";
import { type HttpServer, startHttpServer } from "#service/httpServer.ts";
import { daemonOperations, Operations } from "#service/operations.ts";
import { RateLimit } from "#service/rateLimit.ts";
import { readMetrics } from "#test/docs/documentedMetrics.ts";
import { readableLogger } from "./logLines.ts";

const { logger, lines } = readableLogger();

describe("GET /ready", () => {
  let operations: Operations;
  let app: Hono;

  beforeEach(() => {
    lines.splice(0);
    operations = daemonOperations(logger);
    app = createApp(logger, undefined, operations);
  });

  const ready = async () => {
    const response = await app.request("/ready");
    return { status: response.status, body: await response.json() };
  };

  it("says that nothing is missing", async () => {
    operations.readiness.require("database", async () => undefined);
    expect(await ready()).to.deep.equal({ status: 200, body: { status: "ready", missing: {} } });
  });

  it("says what is missing and logs why, while the process is alive", async () => {
    operations.readiness.require("database", () => Promise.reject(new Error("password of opg is wrong")));
    operations.readiness.require("chain", async () => "the newest block is 200 s old");
    operations.readiness.require("storage", async () => undefined);
    const missing = { database: "does not answer", chain: "the newest block is 200 s old" };
    expect(await ready()).to.deep.equal({ status: 503, body: { status: "not_ready", missing } });
    expect(lines.filter(({ msg }) => msg === "a dependency is missing")).to.have.length(2);
    expect(JSON.stringify(lines)).to.include("password of opg is wrong");
    expect((await app.request("/health")).status).to.equal(200);
    const metrics = await (await app.request("/metrics")).text();
    expect(metrics).to.include('opg_dependency_up{dependency="database"} 0');
    expect(metrics).to.include('opg_dependency_up{dependency="storage"} 1');
  });

  it("does not wait for a dependency that hangs", async function () {
    this.timeout(10_000);
    operations.readiness.require("database", () => new Promise(() => undefined));
    const missing = { database: "does not answer within 2 s" };
    expect(await ready()).to.deep.equal({ status: 503, body: { status: "not_ready", missing } });
  });

  it("asks a dependency once for all who ask within a second", async () => {
    let asked = 0;
    operations.readiness.require("database", async () => void (asked += 1));
    await Promise.all(Array.from({ length: 20 }, ready));
    expect(asked).to.equal(1);
  });

  it("misses a chain that stands still", async () => {
    let now = 1_000_000;
    const provider = { getBlock: async () => ({ timestamp: 1_000_000 }) as never };
    watchChain(operations, { provider, clock: () => now, maxBlockAgeSeconds: 120 });
    now += 121;
    expect((await ready()).body).to.deep.equal({
      status: "not_ready",
      missing: { chain: "the newest block is 121 s old" },
    });
    expect(await (await app.request("/metrics")).text()).to.include("opg_chain_block_age_seconds 121");
  });
});

describe("HTTP metrics", () => {
  it("count by the route's pattern, never by what was asked for, however wild that is", async () => {
    const app = createApp(logger, 100);
    app.get("/tasks/:taskId", (context) => context.json({}));
    app.all("/any", (context) => context.json({}));
    for (const path of ["/tasks/1", "/tasks/2", "/secret-path", "/%ff"]) await app.request(path);
    await app.request("/any", { method: "PROPFIND" });
    await app.request("/tasks/3", { method: "POST", body: "x".repeat(200) });
    const text = await (await app.request("/metrics")).text();
    const counts = [...text.matchAll(/^opg_http_request_duration_seconds_count(\{.*) (\d+)$/gm)];
    expect(counts.map(([, labels, count]) => `${labels} ${count}`)).to.have.members([
      '{method="GET",route="/tasks/:taskId",status="200"} 2',
      '{method="GET",route="unmatched",status="404"} 2',
      '{method="other",route="/any",status="200"} 1',
      '{method="POST",route="unmatched",status="413"} 1',
    ]);
    expect(text).to.include("opg_http_requests_in_flight 1").and.not.to.include("secret-path");
  });
});

describe("a rate limit", () => {
  let server: HttpServer;
  let nowMs: number;
  let bodiesRead: number;

  beforeEach(async () => {
    nowMs = 0;
    bodiesRead = 0;
    const trustedProxies = new BlockList();
    trustedProxies.addAddress("127.0.0.1");
    const rate = new RateLimit({ perSecond: 0.5, burst: 2 }, () => nowMs);
    const app = createApp(logger, 100, new Operations({ rate, trustedProxies }));
    app.post("/work", async (context) => {
      bodiesRead += (await context.req.text()).length;
      return context.json({});
    });
    server = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
  });

  afterEach(() => server.close(0));

  const work = (address: string) =>
    fetch(`${server.url}/work`, { method: "POST", body: "x", headers: { "x-forwarded-for": address } });

  it("refuses what is too much with the time to wait, before the body is read", async () => {
    expect((await work("198.51.100.1")).status).to.equal(200);
    expect((await work("198.51.100.1")).status).to.equal(200);
    const refused = await work("198.51.100.1");
    expect(refused.status).to.equal(429);
    expect(refused.headers.get("retry-after")).to.equal("2");
    const { error } = (await refused.json()) as { error: object };
    expect(error).to.include({ code: "rate_limited", retryAfterSeconds: 2 });
    expect(bodiesRead).to.equal(2);
    expect((await work("198.51.100.2")).status).to.equal(200);
    nowMs += 2_000;
    expect((await work("198.51.100.1")).status).to.equal(200);
  });

  it("counts the addresses of one /64 as one", async () => {
    const statuses = [];
    for (const end of ["1", "2", "3"]) statuses.push((await work(`2001:db8:1:2::${end}`)).status);
    expect(statuses).to.deep.equal([200, 200, 429]);
  });

  it("holds back nobody who asks whether the process lives", async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      for (const path of ["/health", "/ready", "/metrics"])
        expect((await fetch(server.url + path)).status).to.equal(200);
    }
    expect((await readMetrics(server.url)).names).to.include("opg_http_request_duration_seconds");
  });
});
