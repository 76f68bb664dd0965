import type { Fetch } from "#client/index.ts";
import type { GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { fetchFrom } from "./payingClient.ts";

/** The fixture's gateway, and its chain by JSON-RPC. */
export function withChain(fixture: GatewayFixture): Fetch {
  return async (url, init) => {
    if (url !== fixture.network.rpcUrl) return fetchFrom(fixture)(url, init);
    const { method, params } = JSON.parse(String(init.body)) as { method: string; params: unknown[] };
    const result: unknown = await fixture.connection.provider.request({ method, params });
    return Response.json({ jsonrpc: "2.0", id: 1, result });
  };
}
