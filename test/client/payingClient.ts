import { type Client, type ClientOptions, createClient, type Fetch } from "#client/index.ts";
import type { GatewayFixture } from "#test/gateway/gatewayFixture.ts";

/** Reaches the fixture's gateway without a port, and its chain by JSON-RPC. */
export function fetchFrom({ app, network, connection }: GatewayFixture): Fetch {
  return async (url, init) => {
    if (url !== network.rpcUrl) return app.request(url, init);
    const { method, params } = JSON.parse(String(init.body)) as { method: string; params: unknown[] };
    const result: unknown = await connection.provider.request({ method, params });
    return Response.json({ jsonrpc: "2.0", id: 1, result });
  };
}

/** A client of the fixture's gateway, paying as the fixture's payer. */
export function payingClient(fixture: GatewayFixture, options: Partial<ClientOptions> = {}): Client {
  return createClient({
    gateway: fixture.network.gateway,
    signer: fixture.wallets.payer,
    network: fixture.network,
    fetch: fetchFrom(fixture),
    ...options,
  });
}
