import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { clientAddress } from "./clientAddress.ts";
import type { Operations } from "./operations.ts";

/** Whose request it is, see {@link clientAddress}; empty where it came by no socket. */
export function requestAddress(context: Context, { trustedProxies }: Pick<Operations, "trustedProxies">): string {
  const { incoming } = (context.env ?? {}) as Partial<HttpBindings>;
  const forwarded = context.req.header("x-forwarded-for");
  return clientAddress(incoming?.socket.remoteAddress ?? "", forwarded, trustedProxies);
}
