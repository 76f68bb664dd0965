import { readFile } from "node:fs/promises";
import { accountEvents } from "#chain/accountEvents.ts";
import type { SettledBatch } from "#chain/batches.ts";
import { type BatchProof, batchProofJson, checkBatchProof } from "#protocol/batchProof.ts";
import { OpgError } from "#protocol/errors.ts";
import { domainIn } from "#protocol/network.ts";
import type { OpenNetwork } from "./openNetwork.ts";
import { networkTask, print } from "./runTask.ts";
import { opgText } from "./trailText.ts";

/** `opg verify-receipt`: a call's receipt, leaf and path against the batch that the chain shows; nobody else is asked. */
export default networkTask<{ file: string }>(async (opened, { file }) => {
  const proof = await readProof(file);
  const checked = checkBatchProof(proof, domainIn(opened.network, "settlement"));
  if (!checked.ok) throw contradicted(checked.problem, proof);
  const settled = await findBatch(opened, proof);
  await checkShares(opened, proof, settled);
  const { receipt, path } = proof;
  print(`Task ${receipt.taskId} was charged ${opgText(receipt.amount)}.`);
  print(`  payer    ${receipt.payer}`);
  print(`  payout   ${receipt.payout}`);
  print(`  result   ${receipt.resultHash}`);
  print(`  leaf     ${checked.leaf}, ${path.length} levels below the root`);
  print(`  batch    ${settled.batchId}, ${settled.receipts} receipts`);
  print(`  settled  ${settled.transactionHash}, block ${settled.blockNumber}`);
});

async function readProof(file: string): Promise<BatchProof> {
  const text = await readFile(file, "utf8").catch(() => {
    throw new OpgError("invalid_body", `There is no file ${file} that can be read; give what GET .../proof answered.`);
  });
  const parsed = batchProofJson.safeParse(parse(file, text));
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new OpgError("invalid_body", `${file} holds no proof: "${field}" is wrong.`, { field });
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new OpgError("malformed_json", `${file} is not JSON; give what GET /v1/tasks/{taskId}/proof answered.`);
  }
}

/** The id commits to facilitator, root, debits and credits, and Settlement tells only of batches that a quorum signed. */
async function findBatch({ batches, network }: OpenNetwork, proof: BatchProof): Promise<SettledBatch> {
  const { batchId } = proof;
  const settled = await batches.settledBatch(batchId, { fromBlock: network.deploymentBlock });
  if (settled) return settled;
  throw contradicted(`The chain shows no batch ${batchId}.`, proof);
}

/** What the batch took from the payer and gave for the payee is no less than this call's part of it. */
async function checkShares(opened: OpenNetwork, proof: BatchProof, settled: SettledBatch): Promise<void> {
  const { batches, provider, network } = opened;
  const { payer, payout, amount } = proof.receipt;
  const block = { fromBlock: settled.blockNumber, toBlock: settled.blockNumber };
  const account = { payer, facilitator: proof.batch.facilitator };
  const events = await accountEvents(provider, network.contracts.taskEscrow, account, block);
  const debits = events.filter((event) => event.name === "AccountDebited");
  const debit = debits.find(({ batchId }) => batchId === settled.batchId);
  if ((debit?.amount ?? 0n) < amount) throw contradicted(`The batch took less than that from ${payer}.`, proof);
  const credit = (await batches.creditsIn(settled.batchId, block)).find(({ payee }) => payee === payout);
  if ((credit?.charge ?? 0n) < amount) throw contradicted(`The batch booked less than that for ${payout}.`, proof);
}

function contradicted(problem: string, { batchId, receipt }: BatchProof): OpgError {
  return new OpgError("invalid_receipt", `The chain does not bear out the receipt: ${problem}`, {
    batchId,
    taskId: receipt.taskId,
  });
}
