import { createHash } from "node:crypto";
import { TLSSocket } from "node:tls";
import { Agent, buildConnector, type Dispatcher } from "undici";
import { connectionReuse } from "./connectionReuse.ts";

/**
 * A dispatcher that speaks only to a server that holds one TLS key, whoever issued its certificate. Nothing is sent
 * before the key was compared; plain HTTP is refused.
 *
 * @param keyHash - SHA-256 of the certificate's SubjectPublicKeyInfo, bytes32, as the node registry has it
 */
export function pinnedDispatcher(keyHash: string): Dispatcher {
  // A resumed session shows no certificate to compare, so none is kept.
  const connect = buildConnector({ rejectUnauthorized: false, maxCachedSessions: 0 });
  return new Agent({
    ...connectionReuse,
    connect: (options, callback) => {
      connect(options, (...[error, socket]) => {
        if (error) return callback(error, null);
        if (socket instanceof TLSSocket && keyHashOf(socket) === keyHash.toLowerCase()) return callback(null, socket);
        socket.destroy();
        callback(new Error(`${options.hostname} does not hold the TLS key ${keyHash}`), null);
      });
    },
  });
}

function keyHashOf(socket: TLSSocket): string | undefined {
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: "spki", format: "der" });
  return key && `0x${createHash("sha256").update(key).digest("hex")}`;
}
