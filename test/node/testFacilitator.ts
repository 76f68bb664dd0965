import type { OpgError } from "#protocol/errors.ts";
import { certificateJson, type CertificateMessage } from "#protocol/messages.ts";
import { createApp, readBody } from "#service/httpApp.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";

/** A facilitator that takes certificates and keeps them. */
export async function startTestFacilitator() {
  const state = {
    url: "",
    certificates: [] as CertificateMessage[],
    /** Thrown at those who bring a certificate, first to last. */
    failures: [] as OpgError[],
    /** Certificates wait for it. */
    gate: Promise.resolve<unknown>(undefined),
    close: (): Promise<void> => server.close(0),
  };
  const app = createApp(createLogger("facilitator", "silent"), 1_000_000);
  app.post("/tasks/:taskId/certificate", async (context) => {
    await state.gate;
    const failure = state.failures.shift();
    if (failure) throw failure;
    const certificate = await readBody(context, certificateJson);
    state.certificates.push(certificate);
    return context.json({ taskId: certificate.result.taskId, state: "certified", transaction: null });
  });
  const server = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
  return Object.assign(state, { url: server.url });
}
