import { Interface, JsonRpcProvider, MaxUint256, NonceManager, Wallet } from "ethers";
import pg from "pg";
import { AccountsAdapter } from "#chain/accounts.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { admitNode } from "#scripts/network/admitNode.ts";
import { type BenchNetwork, startBenchNetwork } from "./benchNetwork.ts";
import { startCountingProxy } from "./countingProxy.ts";
import type { Figure } from "./figures.ts";
import { startLoadProcess } from "./loadProcess.ts";
import { PrefundedMeasurement, type PrefundedScale } from "./prefundedMeasurement.ts";

const scale: PrefundedScale = { payers: 250, rounds: 3, seconds: 5, connections: 250, perSecond: 4_000 };
const token = new Interface(["function approve(address spender, uint256 amount)"]);
/** 1 OPG each. */
const DEPOSIT = 10n ** 18n;

/**
 * `POST /tasks` of calls that prefunded accounts pay for, each with its durable reservation and its release.
 *
 * @throws Error where an answer is wrong, or a reservation is not in the database
 */
export async function measure(progress: (line: string) => void): Promise<Figure[]> {
  const stack = new AsyncDisposableStack();
  try {
    const network = await startBenchNetwork(scale.payers, progress);
    stack.defer(() => network.stop());
    progress("deposits");
    await deposit(network);
    const proxy = await startCountingProxy(network.network.rpcUrl);
    stack.defer(() => proxy.stop());
    const facilitator = await network.start("facilitator", { env: { OPG_RPC_URL: proxy.url } });
    const load = startLoadProcess();
    stack.defer(() => load.stop());
    const database = new pg.Pool({ connectionString: await network.databaseUrl("facilitator"), max: 1 });
    stack.defer(() => database.end());
    const countReserved = () => reservedIn(database);
    return await new PrefundedMeasurement({ scale, network, proxy, facilitator, load, countReserved, progress }).run();
  } finally {
    await stack.disposeAsync();
  }
}

/** Everybody's account at the facilitator is filled, in a few blocks. */
async function deposit({ network, payers }: BenchNetwork): Promise<void> {
  const provider = new JsonRpcProvider(network.rpcUrl, network.chainId, {
    ...{ staticNetwork: true, cacheTimeout: -1, pollingInterval: 100 },
  });
  try {
    const faucet = new NonceManager(new Wallet(localAccount("faucet").privateKey, provider));
    const accounts = new AccountsAdapter(network.contracts.taskEscrow, provider);
    const facilitator = localAccount("facilitator").address;
    const data = token.encodeFunctionData("approve", [accounts.address, MaxUint256]);
    await (await faucet.sendTransaction({ to: network.contracts.opg, data })).wait();
    const sent = [];
    for (const { address: payer } of payers) {
      const call = accounts.populateDeposit({ payer, facilitator }, DEPOSIT);
      sent.push(await faucet.sendTransaction({ ...call, gasLimit: 200_000n }));
    }
    await Promise.all(sent.map((transaction) => transaction.wait()));
    await admitNode(network, provider, localAccount("operator1"));
  } finally {
    provider.destroy();
  }
}

/** Calls whose reservation and release are there, as the tasks and as the accounts tell it; they have to be the same. */
async function reservedIn(database: pg.Pool): Promise<{ tasks: number; atomic: string }> {
  const tasks =
    "select count(*)::int as tasks from tasks where prefunded and state = 'released' and release is not null";
  const query = `select (${tasks}), (select coalesce(sum(reserved), 0)::text from accounts) as atomic`;
  const { rows } = await database.query<{ tasks: number; atomic: string }>(query);
  return rows[0] ?? { tasks: 0, atomic: "0" };
}
