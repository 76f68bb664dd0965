import { checkReceipt, type PaidRequest } from "#protocol/checkReceipt.ts";
import { type InferAnswerJson, inferAnswerJson } from "#protocol/inferAnswer.ts";
import { answeredTaskJson, type ReleasedTask } from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import { taskToJson } from "#protocol/task.ts";
import { tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Gateway } from "./gateway.ts";
import type { ServingNode } from "./nodeDirectory.ts";

/** What is asked for, as far as its answer is checked with it. */
export type AskedRequest = Pick<PaidRequest, "inputs" | "listing" | "salt">;

/**
 * Has a node compute a released task. Its answer is passed on only if the receipt holds: its host could send anything.
 *
 * @throws OpgError the node's, `node_unavailable`, or `invalid_receipt`
 */
export async function askNode(
  { network, settings }: Pick<Gateway, "network" | "settings">,
  node: ServingNode,
  { task, release }: ReleasedTask,
  { inputs, listing, salt }: AskedRequest,
): Promise<InferAnswerJson> {
  const { outputs, result, nodeSignature, verdicts, transaction } = await httpCall({
    method: "POST",
    url: new URL("tasks", node.url).href,
    body: { task: taskToJson(task), release, salt, inputs: tensorsToJson(inputs) },
    answer: answeredTaskJson,
    timeoutSeconds: settings.executionSeconds + settings.verdictSeconds,
    unavailable: "node_unavailable",
    dispatcher: node.dispatcher,
  });
  const receipt = {
    task: taskToJson(task),
    release,
    result: resultToJson(result),
    nodeSignature,
    verdicts,
    transaction,
  };
  const answer = { taskId: result.taskId, outputs, receipt };
  const { paymentDigest } = release;
  const paid = { network, listing, salt, inputs, task, paymentDigest };
  checkReceipt(inferAnswerJson.parse(answer), tensorsFromJson(outputs), paid);
  return answer;
}
