import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { serve, type ServerType } from "@hono/node-server";
import type { Wallet } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import {
  acceptPayments,
  type FailedPayment,
  type Handler,
  type PaidRoute,
  type SettledPayment,
} from "#merchant/index.ts";
import { caip2 } from "#protocol/network.ts";
import { freePort } from "#scripts/network/freePort.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { startMerchantNetwork } from "#test/facilitator/merchant/merchantNetwork.ts";
import { stockClient, stockHeader } from "#test/integration/stockClient.ts";

/** What is charged for a byte under `upto`. */
export const PER_BYTE = 10n;
/** What is asked for at most. */
export const AMOUNT = 1000n;

export const bySize: PaidRoute = {
  scheme: "upto",
  amount: AMOUNT,
  charge: ({ bytes }) => BigInt(bytes) * PER_BYTE,
};

/** A merchant behind a real HTTP server. */
export interface Shop {
  url: string;
  settled: SettledPayment[];
  failed: FailedPayment[];
  /** Everything that was taken is settled or lost. */
  close(): Promise<void>;
}

/** A chain, a database and a facilitator that can be stopped and started, and merchants who sell there. */
export async function startSellingNetwork() {
  const net = await startMerchantNetwork();
  const port = await freePort();
  const facilitatorUrl = `http://127.0.0.1:${port}`;
  const environment = { ...(await net.environment("merchants")), OPG_PORT: String(port) };
  let store: FacilitatorStore | undefined;
  let daemon: Daemon | undefined;
  const start = async (): Promise<void> => {
    daemon = await startFacilitator(environment, {
      openStore: async (url, logger) => (store = await openFacilitatorStore(url, logger)),
    });
  };
  const stop = async (): Promise<void> => {
    await daemon?.stop();
    daemon = undefined;
  };
  await start();
  const servers: ServerType[] = [];

  /** Opens a shop; its clock is `secondsAhead` of the time. */
  const open = async (routes: Record<string, PaidRoute>, handler: Handler, secondsAhead = 0): Promise<Shop> => {
    const { network } = net;
    const settled: SettledPayment[] = [];
    const failed: FailedPayment[] = [];
    const payments = acceptPayments({
      ...{ facilitator: facilitatorUrl, network: caip2(network), routes, payTo: net.merchant },
      asset: { address: network.contracts.opg, name: "OPG", version: "1" },
      onSettled: (payment) => settled.push(payment),
      onFailed: (payment) => failed.push(payment),
      clock: () => Math.floor(Date.now() / 1000) + secondsAhead,
    });
    const server = serve({ fetch: payments.paid(handler), port: 0, hostname: "127.0.0.1" });
    servers.push(server);
    await once(server, "listening");
    const { port: own } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${own}`, settled, failed, close: () => payments.close() };
  };

  return {
    ...net,
    ...{ start, stop, open, facilitatorUrl },
    /** A signed payment for what is sold there: a header PAYMENT-SIGNATURE. */
    sign: (payer: Wallet, url: string): Promise<string> => stockHeader(stockClient(net.network, payer), url),
    /** What is claimed of the payer's money. */
    outstandingOf: async (payer: Wallet): Promise<bigint> =>
      (await store!.exposureOf(payer.address, net.network.contracts.opg)).outstanding,
    balanceOf: ({ address }: { address: string }): Promise<bigint> => net.opg.balanceOf(address),
    close: async (): Promise<void> => {
      for (const server of servers) {
        server.close();
        if ("closeAllConnections" in server) server.closeAllConnections();
      }
      await stop();
      await net.close();
    },
  };
}

export type SellingNetwork = Awaited<ReturnType<typeof startSellingNetwork>>;
