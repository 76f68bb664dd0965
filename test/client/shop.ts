import { Wallet } from "ethers";
import { type Client, type ClientOptions, createClient, type Fetch, OpgError } from "#client/index.ts";
import { stockMerchant } from "./stockMerchant.ts";
import { testNetwork } from "./testNetwork.ts";

/** Who pays in a shop. */
export const signer = new Wallet(`0x${"11".repeat(32)}`);
/** What the clock says there. */
export const shopTime = Date.UTC(2026, 0, 15, 12) / 1000;

/** A merchant behind x402's server, clients of it, and what is between the two. */
export function openShop() {
  const { facilitator, seen, fetch: ask } = stockMerchant();
  const shop = {
    facilitator,
    seen,
    /** Payments as they were sent. */
    sent: [] as string[],
    /** What happens to answers on their way; nothing, unless a test says so. */
    way: ((response) => response) as (response: Response, header: string | undefined) => Response,
  };
  const fetch: Fetch = async (url, init) => {
    const header = init.headers["payment-signature"];
    if (header !== undefined) shop.sent.push(header);
    return shop.way(await ask(url, init), header);
  };
  return Object.assign(shop, {
    fetch,
    /** A client with at most 100 units per call. */
    client(options: Partial<ClientOptions> = {}): Client {
      const known = { gateway: testNetwork.gateway, network: testNetwork, signer, fetch, maxAmount: 100n };
      return createClient({ ...known, clock: () => shopTime, ...options });
    },
    settledAmounts: (): string[] => [...facilitator.settled.values()].map(({ amount }) => amount),
  });
}

export type Shop = ReturnType<typeof openShop>;

/** The typed error that a call ends with. */
export async function refusalOf(call: Promise<unknown>): Promise<OpgError> {
  const error = await call.catch((cause: unknown) => cause);
  if (error instanceof OpgError) return error;
  throw new Error("nothing was refused", { cause: error });
}
