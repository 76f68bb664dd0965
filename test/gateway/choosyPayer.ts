import { setTimeout as sleep } from "node:timers/promises";
import type { PaymentRequired } from "@x402/core/types";
import { nodeListingJson } from "#protocol/nodeListing.ts";
import { taskRequirementsJson } from "#protocol/payment.ts";
import type { InferRequestJson } from "#protocol/request.ts";
import type { GatewayFixture } from "./gatewayFixture.ts";
import type { NodePeer } from "./nodePeer.ts";
import { askOffer, infer, someRequest } from "./paidRequest.ts";
import { payPrefunded } from "./prefundedPayment.ts";

/** The node that an offer names. */
export function nodeIn({ accepts }: PaymentRequired): string {
  return taskRequirementsJson.parse(accepts[0]).extra.task.node;
}

/** The code of an error answer. */
export async function codeIn(response: Response): Promise<string> {
  return ((await response.json()) as { error: { code: string } }).error.code;
}

/** Waits until a node has been given so many tasks. */
export async function called(node: NodePeer, calls: number): Promise<void> {
  for (let round = 0; node.calls < calls; round++) {
    if (round > 2_000) throw new Error(`the node was called ${node.calls} times`);
    await sleep(5);
  }
}

/** A payer who wants a certain node, and what the gateway says of nodes. */
export function choosyPayer(fixture: GatewayFixture) {
  let nonce = 0n;
  const newRequest = (changes: Partial<InferRequestJson> = {}) =>
    someRequest(fixture, { nonce: String(nonce++), ...changes });

  /** The nodes of so many offers. */
  async function offered(count: number): Promise<string[]> {
    const named: string[] = [];
    for (let round = 0; round < count; round++) named.push(nodeIn(await askOffer(fixture, newRequest())));
    return named;
  }

  /** A payment out of an account for a task at this node, and its request. */
  async function paymentAt(node: NodePeer, changes: Partial<InferRequestJson> = {}) {
    for (let round = 0; round < 20; round++) {
      const body = newRequest(changes);
      const required = await askOffer(fixture, body);
      if (nodeIn(required) === node.address) return { body, header: await payPrefunded(fixture, required) };
    }
    throw new Error("the node is not offered");
  }

  async function payAt(node: NodePeer, changes: Partial<InferRequestJson> = {}): Promise<Response> {
    const { body, header } = await paymentAt(node, changes);
    return infer(fixture, body, header);
  }

  async function listed({ address }: Pick<NodePeer, "address">) {
    return nodeListingJson.parse(await (await fixture.app.request(`/v1/nodes/${address}`)).json());
  }

  /** Of the one version that it had tasks of. */
  const measuredOf = async (node: NodePeer) => (await listed(node)).measures.versions[0];

  return { newRequest, offered, paymentAt, payAt, listed, measuredOf };
}
