import { checkReceipt, type PaidRequest } from "#protocol/checkReceipt.ts";
import { type InferAnswerJson, inferAnswerJson } from "#protocol/inferAnswer.ts";
import { type AnsweredTask, answeredTaskJson, type ReleasedTask } from "#protocol/messages.ts";
import { resultToJson } from "#protocol/result.ts";
import { taskToJson } from "#protocol/task.ts";
import { tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { type HttpCall, httpCall } from "#service/httpCall.ts";
import type { Gateway } from "./gateway.ts";
import type { ServingNode } from "./nodeDirectory.ts";
import type { StepReader } from "./stepReader.ts";
import { streamFromNode } from "./streamFromNode.ts";

/** What is asked for, as far as its answer is checked with it. */
export type AskedRequest = Pick<PaidRequest, "inputs" | "listing" | "salt">;

/** How a node is asked, and how its answer is checked. */
export interface NodeQuestion {
  call: Omit<HttpCall<typeof answeredTaskJson>, "url" | "answer">;
  url: (path: string) => string;
  taskId: string;
  paid: PaidRequest;
}

/**
 * Has a node compute a released task. Its answer is passed on only if the receipt holds: its host could send anything.
 *
 * @param reader - takes the steps, where the model gives them one by one
 * @throws OpgError the node's, `node_unavailable`, or `invalid_receipt`
 */
export async function askNode(
  { network, settings, clock }: Pick<Gateway, "network" | "settings" | "clock">,
  node: ServingNode,
  released: ReleasedTask,
  asked: AskedRequest,
  reader?: StepReader,
): Promise<InferAnswerJson> {
  const { task, release, taskId } = released;
  const { inputs, salt } = asked;
  const call = {
    method: "POST" as const,
    body: { task: taskToJson(task), release, salt, inputs: tensorsToJson(inputs) },
    timeoutSeconds: settings.executionSeconds + settings.verdictSeconds,
    unavailable: "node_unavailable" as const,
    dispatcher: node.dispatcher,
  };
  const url = (path: string) => new URL(path, node.url).href;
  const paid = { network, ...asked, task, paymentDigest: release.paymentDigest };
  const answered =
    reader && asked.listing.streams
      ? await streamFromNode({ call, url, taskId, paid }, reader, { ...settings, clock })
      : await httpCall({ ...call, url: url("tasks"), answer: answeredTaskJson });
  return checkedAnswer(answered, released, paid);
}

function checkedAnswer(
  { outputs, result, nodeSignature, verdicts, transaction }: AnsweredTask,
  { task, release }: ReleasedTask,
  paid: PaidRequest,
): InferAnswerJson {
  const receipt = {
    task: taskToJson(task),
    release,
    result: resultToJson(result),
    nodeSignature,
    verdicts,
    transaction,
  };
  const answer = { taskId: result.taskId, outputs, receipt };
  checkReceipt(inferAnswerJson.parse(answer), tensorsFromJson(outputs), paid);
  return answer;
}
