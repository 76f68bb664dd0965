import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import type { Hono } from "hono";
import { OpgError } from "#protocol/errors.ts";

/** Where and how to listen; with `tls` the server speaks HTTPS with that key and certificate (PEM). */
export interface ListenOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  tls?: { key: string; cert: string };
}

/** A listening server. */
export interface HttpServer {
  url: string;
  /** Stops accepting, lets running requests end for at most `graceSeconds`, then cuts them. */
  close(graceSeconds: number): Promise<void>;
}

/** Starts listening. @throws OpgError `configuration` when the port is taken */
export async function startHttpServer(app: Hono, { host, port, tls }: ListenOptions): Promise<HttpServer> {
  const tlsOptions = tls ? { createServer: createTlsServer, serverOptions: tls } : {};
  const server = serve({ fetch: app.fetch, hostname: host, port, ...tlsOptions });
  const bound = await new Promise<AddressInfo>((resolve, reject) => {
    server.once("listening", () => resolve(server.address() as AddressInfo));
    server.once("error", (cause: NodeJS.ErrnoException) => reject(listenError(cause, host, port)));
  });
  return {
    url: `${tls ? "https" : "http"}://${host}:${bound.port}`,
    close: (graceSeconds) =>
      new Promise((resolve) => {
        const cut = setTimeout(
          () => "closeAllConnections" in server && server.closeAllConnections(),
          graceSeconds * 1000,
        );
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        if ("closeIdleConnections" in server) server.closeIdleConnections();
      }),
  };
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): OpgError {
  const problem = cause.code === "EADDRINUSE" ? "is already in use" : `cannot be used (${cause.code ?? cause.message})`;
  return new OpgError(
    "configuration",
    `Port ${port} on ${host} ${problem}; stop what uses it or set OPG_PORT.`,
    { host, port },
    { cause },
  );
}
