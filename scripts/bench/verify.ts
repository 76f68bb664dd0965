import pg from "pg";
import { localAccount } from "#deploy/localAccounts.ts";
import { startProcess } from "#scripts/network/startProcess.ts";
import { type BenchNetwork, startBenchNetwork } from "./benchNetwork.ts";
import { startCountingProxy } from "./countingProxy.ts";
import type { Figure } from "./figures.ts";
import { startLoadProcess } from "./loadProcess.ts";
import { VerifyMeasurement, type VerifyScale } from "./verifyMeasurement.ts";

const scale: VerifyScale = {
  payers: 250,
  rounds: 3,
  seconds: 5,
  connections: 250,
  perSecond: { ours: 5_000, peer: 500 },
};

/**
 * `/verify` over HTTP with its durable claim, beside the stock facilitator's, which claims nothing.
 *
 * @throws Error where an answer is wrong, or a claim is not in the database
 */
export async function measure(progress: (line: string) => void): Promise<Figure[]> {
  const stack = new AsyncDisposableStack();
  try {
    const network = await startBenchNetwork(scale.payers, progress);
    stack.defer(() => network.stop());
    const { rpcUrl } = network.network;
    const proxies = { ours: await startCountingProxy(rpcUrl), peer: await startCountingProxy(rpcUrl) };
    for (const proxy of Object.values(proxies)) stack.defer(() => proxy.stop());
    const ours = await network.start("facilitator", { env: { OPG_RPC_URL: proxies.ours.url } });
    // The proxy would slow the stock facilitator down, which asks the chain each time: it counts for one of its own.
    const [peer, counted] = [await startStock(network, rpcUrl), await startStock(network, proxies.peer.url)];
    for (const stock of [peer, counted]) stack.defer(() => stock.stop());
    const load = startLoadProcess();
    stack.defer(() => load.stop());
    const database = new pg.Pool({ connectionString: await network.databaseUrl("facilitator"), max: 1 });
    stack.defer(() => database.end());
    const countClaims = () => claimsIn(database);
    const facilitators = { ours, peer, counted };
    const measurement = new VerifyMeasurement({ scale, network, proxies, facilitators, load, countClaims, progress });
    return await measurement.run();
  } finally {
    await stack.disposeAsync();
  }
}

function startStock({ folder, network }: BenchNetwork, rpcUrl: string) {
  const key = localAccount("operator2").privateKey;
  const env = { OPG_RPC_URL: rpcUrl, OPG_CHAIN_ID: String(network.chainId), OPG_FACILITATOR_KEY: key };
  const program = "scripts/bench/stockFacilitator.ts";
  return startProcess({ name: "the stock facilitator", program, env, logFile: `${folder}/stock.log` });
}

async function claimsIn(database: pg.Pool): Promise<number> {
  const held = "select count(*)::int as count from payments join claims on holder = digest where state = 'claimed'";
  const { rows } = await database.query<{ count: number }>(held);
  return rows[0]?.count ?? 0;
}
