import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Hono } from "hono";
import { OpgError } from "#protocol/errors.ts";
import { refusalJson, type RefusalMessage, verifierInfoJson } from "#protocol/messages.ts";
import { sealingKeyJson } from "#protocol/sealedRequest.ts";
import { signedVerdictJson } from "#protocol/verdict.ts";
import { httpCall } from "#service/httpCall.ts";
import { type HttpServer, startHttpServer } from "#service/httpServer.ts";
import { documentedMetrics, readMetrics } from "#test/docs/documentedMetrics.ts";
import { type ServedChain, serveChain } from "#test/node/serveChain.ts";
import { startVerifier } from "#verifier/start.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { sealRequest } from "./sealRequest.ts";
import { verifierFixture, type VerifierFixture } from "./verifierFixture.ts";

describe("startVerifier", () => {
  let fixture: VerifierFixture;
  let chain: ServedChain;
  let peers: HttpServer;
  let folder: string;
  let environment: Record<string, string>;
  let received: (refusal: RefusalMessage) => void;

  before(async function () {
    this.timeout(120_000);
    fixture = await verifierFixture();
    chain = await serveChain(fixture.connection);
    peers = await startHttpServer(peersApp(), { host: "127.0.0.1", port: 0 });
    folder = mkdtempSync(join(tmpdir(), "opg-verifier-start-"));
    const facilitators = fixture.network.facilitators.map((known) => ({ ...known, url: peers.url }));
    const network = { ...fixture.network, rpcUrl: chain.url, hub: peers.url, facilitators };
    writeFileSync(join(folder, "network.json"), JSON.stringify(network));
    environment = {
      OPG_NETWORK: join(folder, "network.json"),
      OPG_PORT: "0",
      OPG_LOG_LEVEL: "silent",
      OPG_STATE: join(folder, "state"),
      OPG_VERIFIER_KEY: fixture.wallets.verifiers[0].privateKey,
      DATABASE_URL: await emptyDatabase(),
    };
  });
  after(async () => {
    await peers.close(0);
    await chain.close();
    await fixture.stop();
    rmSync(folder, { recursive: true });
  });

  /** A hub with the one model, and a facilitator that takes refusals. */
  function peersApp(): Hono {
    const app = new Hono();
    app.get("/blobs/:digest", (context) => {
      const isTheModel = context.req.param("digest") === fixture.version.contentDigest;
      return isTheModel ? context.body(Uint8Array.from(fixture.modelBytes)) : context.notFound();
    });
    app.post("/tasks/:taskId/refusals", async (context) => {
      const refusal = refusalJson.parse(await context.req.json());
      received(refusal);
      return context.json({ error: { code: "unknown_task", message: "not here" } }, 404);
    });
    return app;
  }

  it("says which variable is missing or wrong, and repeats no value", async () => {
    for (const [variable, wrong] of [
      ["OPG_VERIFIER_KEY", "0x1234secret"],
      ["DATABASE_URL", undefined],
      ["OPG_STATE", undefined],
      ["OPG_NETWORK", undefined],
      ["OPG_PORT", "many"],
    ] as const) {
      const error: unknown = await startVerifier({ ...environment, [variable]: wrong }).catch(
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof OpgError)) expect.fail(`it starts with a wrong ${variable}`);
      expect(error.message).to.include(variable).and.not.to.include("secret");
    }
  });

  it("fetches a model from the hub, judges results, and brings a refusal to the facilitator by itself", async function () {
    this.timeout(60_000);
    const daemon = await startVerifier(environment, { clock: () => fixture.time.now });
    const call = { timeoutSeconds: 20, unavailable: "verifier_unavailable" } as const;
    try {
      const delivered = new Promise<RefusalMessage>((resolve) => (received = resolve));
      const { task, taskId, body } = await fixture.makeRequest();
      const post = async (path: string, content: unknown) => {
        const response = await fetch(daemon.url + path, { method: "POST", body: JSON.stringify(content) });
        return response.json();
      };
      const key = sealingKeyJson.parse(await (await fetch(`${daemon.url}/sealing-key`)).json());
      await post("/tasks", await sealRequest(key, fixture.network.chainId, body));
      const answer = await post(`/tasks/${taskId}/result`, await fixture.answer(task, { amount: 1n }));
      const verdict = signedVerdictJson.parse(answer);
      expect(verdict).to.include({ agrees: false, reason: "charge_mismatch" });
      expect((await delivered).verdict).to.deep.equal(verdict);
      const info = await httpCall({ ...call, method: "GET", url: `${daemon.url}/info`, answer: verifierInfoJson });
      expect(info).to.include({ agreed: 0, refused: 1 });

      const ready = await fetch(`${daemon.url}/ready`);
      expect([ready.status, await ready.json()]).to.deep.equal([200, { status: "ready", missing: {} }]);
      const { names, text } = await readMetrics(daemon.url);
      expect(names).to.deep.equal(documentedMetrics("verifier"));
      expect(text).to.include('opg_verdicts_total{verdict="charge_mismatch"} 1');
      expect(text).to.include('opg_executions_total{outcome="done"} 1');
      expect(text)
        .to.match(/^opg_undelivered_refusals \d+$/m)
        .and.not.to.match(/^opg_metrics_unread_total\{/m);
    } finally {
      await daemon.stop();
    }
    expect(await fetch(`${daemon.url}/health`).catch(() => "gone")).to.equal("gone");
  });
});
