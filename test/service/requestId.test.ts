import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import { createApp } from "#service/httpApp.ts";
import { httpCall } from "#service/httpCall.ts";
import { type HttpServer, startHttpServer } from "#service/httpServer.ts";
import { repeat } from "#service/repeat.ts";
import { readableLogger } from "./logLines.ts";

const { logger, lines } = readableLogger("info");

/** Lines of the log by their message. */
const linesOf = (msg: string) => lines.filter((line) => line.msg === msg);

describe("a request's id", () => {
  let far: HttpServer;
  let near: HttpServer;

  before(async () => {
    const farApp = createApp(logger);
    farApp.get("/work", (context) => {
      logger.info("far");
      return context.json({ heard: context.req.header("x-request-id") });
    });
    far = await startHttpServer(farApp, { host: "127.0.0.1", port: 0 });
    const nearApp = createApp(logger);
    nearApp.get("/work", async (context) => {
      const answer = z.object({ heard: z.string() });
      const call = { method: "GET", answer, timeoutSeconds: 5, unavailable: "hub_unavailable" } as const;
      const { heard } = await httpCall({ ...call, url: `${far.url}/work` });
      await sleep(1);
      logger.info("near");
      return context.json({ heard });
    });
    nearApp.get("/fault", () => Promise.reject(new Error("a fault of ours")));
    nearApp.get("/refused", () => Promise.reject(new OpgError("unknown_task", "Never seen.")));
    near = await startHttpServer(nearApp, { host: "127.0.0.1", port: 0 });
  });

  after(() => Promise.all([near.close(0), far.close(0)]));

  beforeEach(() => lines.splice(0));

  async function ask(path: string, given?: string): Promise<{ id: string; body: { heard?: string } }> {
    const headers = given === undefined ? {} : { "x-request-id": given };
    const response = await fetch(near.url + path, { headers });
    return { id: response.headers.get("x-request-id") ?? "", body: (await response.json()) as { heard?: string } };
  }

  it("follows the request through daemons, stands in every line, and comes back", async () => {
    const { id, body } = await ask("/work", "checkout_2026-11");
    expect(id).to.equal("checkout_2026-11");
    expect(body.heard).to.equal("checkout_2026-11");
    for (const msg of ["near", "far"]) expect(linesOf(msg)).to.have.length(1);
    for (const line of [...linesOf("near"), ...linesOf("far")]) expect(line["requestId"]).to.equal("checkout_2026-11");
  });

  it("is a new one where none that may stand in a log is given", async () => {
    const ids = new Set<string>();
    for (const given of [undefined, "short", "x".repeat(65), "with space", "a\tb345678", "umlaut-\u00fc-1234"]) {
      const { id, body } = await ask("/work", given);
      expect(id)
        .to.match(/^[A-Za-z0-9_-]{8,64}$/)
        .and.not.to.equal(given);
      expect(body.heard).to.equal(id);
      ids.add(id);
    }
    expect(ids.size).to.equal(6);
  });

  it("keeps requests apart that run at the same time", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `request-${index}-x`);
    const answers = await Promise.all(names.map((name) => ask("/work", name)));
    expect(answers.map(({ body }) => body.heard)).to.deep.equal(names);
    expect(linesOf("near").map((line) => line["requestId"])).to.have.members(names);
  });

  it("comes back with refusals and faults, and leads to the fault's cause", async () => {
    expect((await ask("/refused", "refused-1")).id).to.equal("refused-1");
    expect((await ask("/nowhere", "nowhere-1")).id).to.equal("nowhere-1");
    expect((await ask("/fault", "faulty-1")).id).to.equal("faulty-1");
    expect(linesOf("request failed")).to.have.length(1);
    expect(linesOf("request failed")[0]!["requestId"]).to.equal("faulty-1");
  });
});

describe("a duty", () => {
  it("belongs to no request, even where one sets it off", async () => {
    lines.splice(0);
    let duty: ReturnType<typeof repeat> | undefined;
    const app = createApp(logger);
    app.get("/", (context) => {
      duty = repeat("test", 3600, async () => logger.info("duty"), logger);
      return context.json({});
    });
    await app.request("/", { headers: { "x-request-id": "sets-it-off" } });
    await duty?.stop();
    expect(linesOf("duty")).to.have.length(1);
    expect(linesOf("duty")[0]).not.to.have.property("requestId");
  });
});
