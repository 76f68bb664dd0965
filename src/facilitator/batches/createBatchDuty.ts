import { AccountReaderAdapter } from "#chain/accountReader.ts";
import { BatchesAdapter } from "#chain/batches.ts";
import type { Dependencies } from "#facilitator/dependencies.ts";
import { BatchDuty, type BatchTerms } from "./batchDuty.ts";

/** A facilitator whose oldest receipt is older than a quarter of the withdrawal delay releases no more: half of that is early. */
const DELAYS_PART = 8;

/**
 * Connects the duty to the chain.
 *
 * @param stopping - aborted when the process is to end
 */
export function createBatchDuty(terms: BatchTerms, dependencies: Dependencies, stopping: AbortSignal): BatchDuty {
  const { network, provider, wallet } = dependencies;
  const { settlement, payerReader, taskEscrow } = network.contracts;
  const reader = new AccountReaderAdapter(payerReader, taskEscrow, provider);
  const latest = Math.floor(network.parameters.withdrawDelaySeconds / DELAYS_PART);
  return new BatchDuty(
    { ...terms, ageSeconds: Math.min(terms.ageSeconds, latest) },
    {
      ...{ ...dependencies, stopping },
      batches: new BatchesAdapter(settlement, provider),
      readAccounts: async (payers) => reader.read(wallet.address, payers, await provider.getBlockNumber()),
    },
  );
}
