// Spreads the test files over processes that run side by side, each about as long as the others.

/**
 * How long a file takes beside the others, in seconds of one machine; only how they compare counts. Files that are not
 * named here take little.
 */
const secondsOf = {
  "test/attestation/checkEvidence.test.ts": 8,
  "test/badInput/facilitator.test.ts": 40,
  "test/badInput/gateway.test.ts": 60,
  "test/blobs/storageId.test.ts": 6,
  "test/client/admittedNodes.test.ts": 6,
  "test/client/createClient.test.ts": 9,
  "test/client/fileState.test.ts": 12,
  "test/client/inferStream.test.ts": 9,
  "test/client/package.test.ts": 20,
  "test/client/prefunded.test.ts": 14,
  "test/contracts/evidence/nodeRegistryAdmit.test.ts": 6,
  "test/contracts/money/moneyInvariants.t.sol": 80,
  "test/deploy/deployNetwork.test.ts": 10,
  "test/execution/executor.test.ts": 25,
  "test/execution/recogniser.test.ts": 10,
  "test/facilitator/batches/batches.test.ts": 35,
  "test/facilitator/batches/faults.test.ts": 45,
  "test/facilitator/batches/hostileVerifiers.test.ts": 15,
  "test/facilitator/batches/killed.test.ts": 40,
  "test/facilitator/losses.test.ts": 16,
  "test/facilitator/merchant/checksInMemory.test.ts": 14,
  "test/facilitator/merchant/frontRun.test.ts": 12,
  "test/facilitator/merchant/killed.test.ts": 33,
  "test/facilitator/merchant/killedByChain.test.ts": 28,
  "test/facilitator/merchant/reorganised.test.ts": 28,
  "test/facilitator/merchant/settle.test.ts": 30,
  "test/facilitator/merchant/sponsoring.test.ts": 19,
  "test/facilitator/merchant/stockClients.test.ts": 25,
  "test/facilitator/merchant/unluckyTransactions.test.ts": 40,
  "test/facilitator/merchant/verify.test.ts": 17,
  "test/facilitator/operations.test.ts": 13,
  "test/facilitator/payment.test.ts": 21,
  "test/facilitator/prefunded/calls.test.ts": 28,
  "test/facilitator/prefunded/killed.test.ts": 22,
  "test/facilitator/prefunded/twoFacilitators.test.ts": 20,
  "test/facilitator/replicas.test.ts": 24,
  "test/facilitator/settlement.test.ts": 21,
  "test/facilitator/settlementStatus.test.ts": 17,
  "test/facilitator/severalEndpoints.test.ts": 18,
  "test/facilitator/uptoTask.test.ts": 21,
  "test/gateway/badUptoPayment.test.ts": 6,
  "test/gateway/inferRoute.test.ts": 10,
  "test/gateway/repeatedPayment.test.ts": 20,
  "test/gateway/scheduling.test.ts": 6,
  "test/gateway/stockClient.test.ts": 6,
  "test/gateway/streams.test.ts": 9,
  "test/gateway/unjustBlame.test.ts": 6,
  "test/integration/authorizationReplayed.test.ts": 15,
  "test/integration/chaos.test.ts": 50,
  "test/integration/handover.test.ts": 50,
  "test/integration/killedProcesses.test.ts": 130,
  "test/integration/merchants.test.ts": 25,
  "test/integration/modelTampered.test.ts": 40,
  "test/integration/nodeVanishes.test.ts": 30,
  "test/integration/paidAndSettled.test.ts": 30,
  "test/integration/peoplesTasks.test.ts": 90,
  "test/integration/prefunded.test.ts": 60,
  "test/integration/prefundedTasks.test.ts": 60,
  "test/integration/replicas.test.ts": 65,
  "test/integration/stockClients.test.ts": 60,
  "test/integration/taskStreams.test.ts": 45,
  "test/integration/underpaid.test.ts": 12,
  "test/integration/verifierOffline.test.ts": 30,
  "test/integration/walletEmptied.test.ts": 15,
  "test/integration/wrongResultRefused.test.ts": 40,
  "test/merchant/acceptPayments.test.ts": 25,
  "test/merchant/package.test.ts": 35,
  "test/merchant/streams.test.ts": 22,
  "test/node/boundary.test.ts": 15,
  "test/node/startNode.test.ts": 20,
  "test/scripts/network/startProcess.test.ts": 8,
  "test/verifier/batches/batchDuty.test.ts": 15,
  "test/verifier/batches/killed.test.ts": 16,
};
const OTHER_SECONDS = 2;

/** @param parts - lists of files whose files stay together */
export function spreadTests(parts, processes) {
  const spread = Array.from({ length: processes }, () => ({ files: [], seconds: 0 }));
  const weighed = parts.map((files) => ({ files, seconds: files.reduce((sum, file) => sum + secondsFor(file), 0) }));
  for (const { files, seconds } of weighed.sort((a, b) => b.seconds - a.seconds)) {
    const least = spread.reduce((a, b) => (b.seconds < a.seconds ? b : a));
    least.files.push(...files);
    least.seconds += seconds;
  }
  return spread.map(({ files }) => files.sort());
}

/** Paths are as the system writes them. */
const secondsFor = (file) => secondsOf[file.replaceAll("\\", "/")] ?? OTHER_SECONDS;
