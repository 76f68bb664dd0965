import type { Fetch } from "#client/index.ts";
import { INodeRegistry__factory } from "#typechain/index.ts";

const abi = INodeRegistry__factory.createInterface();

/** A node's entry in the registry, as an endpoint of the chain may tell it. */
export interface ToldEntry {
  operator: string;
  leaseUntil: bigint;
  sequence: bigint;
  status: bigint;
  payout: string;
  measurement: string;
  admittedInBlock: bigint;
  tlsKeyHash: string;
}

/** An endpoint that names another entry than it was told, on the way to the client. */
export function lyingChain(honest: Fetch, rpcUrl: string, lie: Partial<ToldEntry>): Fetch {
  return async (url, init) => {
    const response = await honest(url, init);
    const data = url === rpcUrl ? callIn(init.body) : undefined;
    if (!data?.startsWith(abi.getFunction("nodes").selector)) return response;
    const { result } = (await response.json()) as { result: string };
    const [entry] = abi.decodeFunctionResult("nodes", result) as unknown as [{ toObject(): ToldEntry }];
    return answer(abi.encodeFunctionResult("nodes", [{ ...entry.toObject(), ...lie }]));
  };
}

/** An endpoint that names every node as active with this entry. */
export function activeNode(body: unknown, entry: ToldEntry): Response {
  const isEntry = callIn(body)?.startsWith(abi.getFunction("nodes").selector);
  return answer(isEntry ? abi.encodeFunctionResult("nodes", [entry]) : abi.encodeFunctionResult("isActive", [true]));
}

function callIn(body: unknown): string | undefined {
  const { params } = JSON.parse(String(body)) as { params: [{ data?: string }] };
  return params[0].data;
}

function answer(result: string): Response {
  return Response.json({ jsonrpc: "2.0", id: 1, result });
}
