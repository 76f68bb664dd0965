import { taskRecordJson } from "#protocol/messages.ts";
import { httpCall } from "#service/httpCall.ts";
import { submitCall } from "#chain/submitCall.ts";
import { ownWallet } from "./openNetwork.ts";
import { readTaskId } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { opgText } from "./trailText.ts";

/** `opg refund`: gives an overdue task's lock back to its payer. */
export default networkTask<{ task: string }>(async (opened, options) => {
  const taskId = readTaskId(options.task);
  const lock = await opened.taskEscrow.lockOf(taskId);
  if (lock.status === "none") return print(`Nothing was ever locked for ${taskId} on this network.`);
  if (lock.status === "closed") return print(`${taskId} has ended already; npx hardhat opg trace tells how.`);
  const { deploymentBlock, facilitators } = opened.network;
  const onChain = await opened.taskEscrow.taskOf(taskId, { fromBlock: deploymentBlock });
  const task = onChain ?? (await askFacilitators(facilitators, taskId)).task;
  const receipt = await submitCall(ownWallet(opened), opened.taskEscrow.populateRefund(task));
  print(`${task.payer} has ${opgText(lock.amount)} back (${receipt.hash}).`);
});

/** Only for a task that was opened by way of another contract: else its transaction holds it. */
async function askFacilitators(facilitators: readonly { url: string }[], taskId: string) {
  const calls = facilitators.map(({ url }) =>
    httpCall({
      method: "GET",
      url: `${url}/tasks/${taskId}`,
      answer: taskRecordJson,
      timeoutSeconds: 10,
      unavailable: "facilitator_unavailable",
    }),
  );
  return Promise.any(calls).catch((error: unknown) => {
    throw error instanceof AggregateError ? error.errors[0] : error;
  });
}
