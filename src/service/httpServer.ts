import { setTimeout as sleep } from "node:timers/promises";
import { createServer as createTlsServer } from "node:https";
import type { ServerResponse } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { createAdaptorServer, type ServerType } from "@hono/node-server";
import type { Hono } from "hono";
import { OpgError } from "#protocol/errors.ts";

/** Where to listen. */
export interface ListenPlace {
  host: string;
  /** 0 takes a free one. */
  port: number;
}

/** Where and how to listen; with `tls` the server speaks HTTPS with that key and certificate (PEM). */
export interface ListenOptions extends ListenPlace {
  tls?: { key: string; cert: string };
}

/** A listening server. */
export interface HttpServer {
  url: string;
  /**
   * Waits for at most `graceSeconds` until no request runs, stops accepting, and cuts what runs still. Until then new
   * requests reach the app, which has to refuse them: so who asks is told, and finds out that the process drains.
   */
  close(graceSeconds: number): Promise<void>;
}

/** Starts listening. @throws OpgError `configuration` when the port is taken */
export async function startHttpServer(app: Hono, { host, port, tls }: ListenOptions): Promise<HttpServer> {
  const server = serverOf(app, tls);
  const bound = await listenAt(server, { host, port });
  return { url: `${tls ? "https" : "http"}://${host}:${bound.port}`, close: closing(server) };
}

/** Starts listening with TLS on a Unix socket. */
export async function startSocketServer(
  app: Hono,
  { path, tls }: { path: string; tls: NonNullable<ListenOptions["tls"]> },
): Promise<Pick<HttpServer, "close">> {
  const server = serverOf(app, tls);
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  return { close: closing(server) };
}

/** Has a server listen on a port. @throws OpgError `configuration` when it is taken */
export function listenAt(
  server: Pick<Server, "once" | "listen" | "address">,
  place: ListenPlace,
): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("listening", () => resolve(server.address() as AddressInfo));
    server.once("error", (cause: NodeJS.ErrnoException) => reject(listenError(cause, place)));
    server.listen(place);
  });
}

function serverOf({ fetch }: Hono, tls: ListenOptions["tls"]): ServerType {
  return createAdaptorServer({ fetch, ...(tls ? { createServer: createTlsServer, serverOptions: tls } : {}) });
}

function closing(server: ServerType): HttpServer["close"] {
  const running = new RunningRequests(server);
  return async (graceSeconds) => {
    const endMs = performance.now() + graceSeconds * 1000;
    await running.ended(graceSeconds);
    await closeServer(server, Math.max(0, endMs - performance.now()));
  };
}

/** Requests count until the last byte of their answer is sent, or nobody takes it any more. */
class RunningRequests {
  #count = 0;
  #none = Promise.withResolvers<true>();

  constructor(server: ServerType) {
    server.on("request", (_request: unknown, response: Pick<ServerResponse, "once">) => {
      this.#count += 1;
      response.once("close", () => {
        this.#count -= 1;
        if (this.#count > 0) return;
        this.#none.resolve(true);
        this.#none = Promise.withResolvers();
      });
    });
  }

  /** Resolves when none runs, or the time is over. */
  async ended(seconds: number): Promise<void> {
    if (this.#count === 0) return;
    const timer = new AbortController();
    const timeout = sleep(seconds * 1000, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([this.#none.promise, timeout]);
    timer.abort();
  }
}

function closeServer(server: ServerType, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => "closeAllConnections" in server && server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    if ("closeIdleConnections" in server) server.closeIdleConnections();
  });
}

function listenError(cause: NodeJS.ErrnoException, { host, port }: ListenPlace): OpgError {
  const problem = cause.code === "EADDRINUSE" ? "is already in use" : `cannot be used (${cause.code ?? cause.message})`;
  return new OpgError(
    "configuration",
    `Port ${port} on ${host} ${problem}; stop what uses it or set OPG_PORT.`,
    { host, port },
    { cause },
  );
}
