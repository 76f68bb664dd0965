import { Interface, type Result } from "ethers";
import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import type { Receipt } from "../protocol/inferAnswer.ts";
import { domainIn, type Network } from "../protocol/network.ts";
import { resultHashOf } from "../protocol/result.ts";
import { taskIdOf } from "../protocol/task.ts";
import type { ChainReader } from "./chainReader.ts";
import { readNode } from "./nodeRegistry.ts";
import type { OnChainFacts } from "./onChainFacts.ts";

const abi = new Interface([
  "function isMember(uint64 epoch, address verifier) view returns (bool)",
  "function epochs(uint64 epoch) view returns (tuple(uint64 threshold, uint64 size, uint64 beganAt, uint64 endedAt))",
  "function isFacilitator(address facilitator) view returns (bool)",
  "event TaskSettled(bytes32 indexed taskId, address indexed node, uint64 indexed epoch, bytes32 resultHash, address payout, uint256 nodeAmount, uint256 verifierAmount, uint256 treasuryAmount)",
]);

const transactionJson = z
  .looseObject({
    status: z.string(),
    logs: z.array(z.looseObject({ address: z.string(), topics: z.array(z.string()), data: z.string() })),
  })
  .nullable();

/**
 * Holds a receipt against the contracts: that the node is registered and paid where it was admitted to be, that a quorum
 * of the verifier set signed, that the facilitator is registered, and that the transaction named settled this very result.
 *
 * @throws OpgError `invalid_receipt` naming the part that the chain does not bear out; `chain_unavailable`
 */
export async function checkOnChain(receipt: Receipt, network: Network, chain: ChainReader): Promise<OnChainFacts> {
  const node = await checkNode(receipt, network, chain);
  await checkFacilitator(receipt, network, chain);
  const verifiers = await checkVerifiers(receipt, network, chain);
  const settledBy = await checkSettlement(receipt, network, chain);
  return { node, verifiers, settledBy };
}

async function checkNode(
  { task, result }: Receipt,
  { contracts }: Network,
  chain: ChainReader,
): Promise<OnChainFacts["node"]> {
  const { status, payout } = await readNode(chain, contracts.nodeRegistry, task.node);
  if (status === "none") throw contradicted("task.node", result.taskId);
  if (payout !== result.payout) throw contradicted("result.payout", result.taskId);
  return status;
}

/** Members of one epoch, as many as that epoch's threshold asks for. */
async function checkVerifiers(
  { result, verdicts }: Receipt,
  { contracts }: Network,
  chain: ChainReader,
): Promise<number> {
  const epoch = verdicts[0]?.epoch ?? 0;
  const [terms] = (await chain.call(contracts.verifierSet, abi, "epochs", [epoch])) as unknown as [Result];
  const { threshold } = terms.toObject() as { threshold: bigint };
  const signers = new Set(verdicts.filter((verdict) => verdict.epoch === epoch).map(({ verifier }) => verifier));
  const memberships = await Promise.all(
    [...signers].map((verifier) => chain.call(contracts.verifierSet, abi, "isMember", [epoch, verifier])),
  );
  const members = memberships.filter(([isMember]) => isMember === true).length;
  if (threshold === 0n || BigInt(members) < threshold) throw contradicted("verdicts", result.taskId);
  return members;
}

async function checkFacilitator({ release }: Receipt, { contracts }: Network, chain: ChainReader): Promise<void> {
  const [isRegistered] = await chain.call(contracts.taskEscrow, abi, "isFacilitator", [release.facilitator]);
  if (isRegistered !== true) throw contradicted("release", release.taskId);
}

/** @returns hash of the transaction; nothing while it is in no block */
async function checkSettlement(receipt: Receipt, network: Network, chain: ChainReader): Promise<string | null> {
  const { transaction: hash, task, result } = receipt;
  if (hash === null) return null;
  const transaction = await chain.request("eth_getTransactionReceipt", [hash], transactionJson);
  if (transaction === null) return null;
  const taskId = taskIdOf(task, domainIn(network, "taskEscrow"));
  const settled = transaction.logs
    .filter(({ address }) => address.toLowerCase() === network.contracts.settlement.toLowerCase())
    .map((log) => abi.parseLog(log))
    .find((event) => event?.args["taskId"] === taskId);
  const { resultHash, nodeAmount, verifierAmount, treasuryAmount } = (settled?.args.toObject() ?? {}) as {
    resultHash?: string;
    nodeAmount?: bigint;
    verifierAmount?: bigint;
    treasuryAmount?: bigint;
  };
  const charge = (nodeAmount ?? 0n) + (verifierAmount ?? 0n) + (treasuryAmount ?? 0n);
  const isThis = resultHash === resultHashOf(result, domainIn(network, "settlement")) && charge === result.amount;
  if (!isThis) throw contradicted("transaction", taskId);
  return hash;
}

function contradicted(part: string, taskId: string): OpgError {
  const message = `The chain does not bear out the receipt ("${part}"): keep it, look at the task's trail and report it.`;
  return new OpgError("invalid_receipt", message, { part, taskId });
}
