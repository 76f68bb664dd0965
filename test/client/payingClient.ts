import { type Client, type ClientOptions, createClient, type Fetch } from "#client/index.ts";
import type { GatewayFixture } from "#test/gateway/gatewayFixture.ts";

/** Reaches the fixture's gateway without a port. */
export function fetchFrom({ app }: GatewayFixture): Fetch {
  return async (url, init) => app.request(url, init);
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
