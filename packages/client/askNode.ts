import { createHash } from "node:crypto";
import { type IncomingMessage } from "node:http";
import { request, type RequestOptions } from "node:https";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { OpgError } from "../protocol/errors.ts";
import { type NodeInfo, nodeInfoJson } from "../protocol/messages.ts";
import type { AdmittedNode } from "./admittedNode.ts";
import { nodeRefused } from "./nodeRefusal.ts";

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 1024 * 1024;

/**
 * Asks a node what it says of itself, over TLS to the key that the registry has for it, whoever issued its certificate.
 * Nothing is sent before the key was compared.
 *
 * @param node - as the client's `node` gives it
 * @throws OpgError `node_refused` where another key is held or the node names other parties than the registry;
 * `node_unavailable` where nothing answers
 */
export async function askNode(node: AdmittedNode): Promise<NodeInfo> {
  const info = nodeInfoJson.safeParse(await getJson(node));
  if (!info.success) throw unavailable(node, info.error);
  const field = (["node", "operator", "payout"] as const).find((name) => info.data[name] !== node[name]);
  if (field !== undefined) throw nodeRefused(node.node, "entry_mismatch", { field });
  return info.data;
}

async function getJson(node: AdmittedNode): Promise<unknown> {
  try {
    const url = new URL("info", node.url.endsWith("/") ? node.url : `${node.url}/`);
    if (url.protocol !== "https:") throw new Error("its URL is not one of HTTPS");
    const answer = await get(url, await connectPinned(url, node));
    return JSON.parse(answer) as unknown;
  } catch (cause) {
    throw cause instanceof OpgError ? cause : unavailable(node, cause);
  }
}

/** Resolves once the key was compared; a connection without a session to resume always shows one. */
function connectPinned({ hostname, port }: URL, node: AdmittedNode): Promise<TLSSocket> {
  const host = hostname.replace(/^\[|\]$/g, "");
  const name = isIP(host) === 0 ? { servername: host } : {};
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port) || 443, rejectUnauthorized: false, ...name });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("it takes too long")));
    socket.on("error", reject);
    socket.once("secureConnect", () => {
      if (keyHashOf(socket) === node.tlsKeyHash) return resolve(socket);
      socket.destroy();
      reject(nodeRefused(node.node, "tls_key"));
    });
  });
}

function keyHashOf(socket: TLSSocket): string | undefined {
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: "spki", format: "der" });
  return key && `0x${createHash("sha256").update(key).digest("hex")}`;
}

function get(url: URL, socket: TLSSocket): Promise<string> {
  const options: RequestOptions = { createConnection: () => socket, signal: AbortSignal.timeout(TIMEOUT_MS) };
  return new Promise((resolve, reject) => {
    const asked = request(url, options, (response) => void readText(response).then(resolve, reject));
    asked.on("error", reject).end();
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BYTES) throw new Error("it says too much");
    parts.push(part);
  }
  if (response.statusCode !== 200) throw new Error(`it answered ${response.statusCode ?? 0}`);
  return Buffer.concat(parts).toString("utf8");
}

function unavailable({ node, url }: AdmittedNode, cause: unknown): OpgError {
  const message = `The node ${node} does not say at ${url} who it is; try again later, or ask the gateway.`;
  return new OpgError("node_unavailable", message, { node }, { cause });
}
