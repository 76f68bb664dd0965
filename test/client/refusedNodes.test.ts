import { decodePaymentRequiredHeader, encodePaymentRequiredHeader } from "@x402/core/http";
import { expect } from "chai";
import { Wallet } from "ethers";
import { type Client, type Fetch, OpgError } from "#client/index.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import type { TaskJson } from "#protocol/task.ts";
import { someInputs } from "#test/gateway/doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { lyingGateway } from "./lyingGateway.ts";
import { fetchFrom, payingClient } from "./payingClient.ts";

const wanted = { model: "doubling", inputs: someInputs };

describe("a client whose offers name nodes that cannot be paid", () => {
  let fixture: GatewayFixture;

  beforeEach(async () => {
    fixture = await gatewayFixture();
  });
  afterEach(() => fixture.stop());

  /** Pays out of an account. The facilitator releases nothing for the node of the first offer; the next name nobody. */
  function clientOf({ nobodies }: { nobodies: number }): Client {
    let offers = 0;
    const offer = ({ scheme }: { scheme: string }, task: TaskJson): void => {
      if (scheme !== "prefunded") return;
      offers += 1;
      if (offers === 1) fixture.facilitator.endedNode = task.node;
      else if (offers <= 1 + nobodies) task.node = Wallet.createRandom().address;
    };
    return payingClient(fixture, { fetch: lyingGateway(fixture, { offer }), account: { maxAtStake: 10_000n } });
  }

  async function expectRefused(call: Promise<unknown>, code: string): Promise<void> {
    const refused = await call.catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(OpgError).with.property("code", code);
  }

  it("takes the third offer where the first node has ended and the second was never admitted", async () => {
    const client = clientOf({ nobodies: 1 });
    const { receipt } = await client.infer(wanted);
    expect(receipt.task.node).not.to.equal(fixture.facilitator.endedNode);
    expect(await client.account.show()).to.include({ reserved: 0n });
  });

  it("has nothing of the first call open in its books when it gives up", async () => {
    const client = clientOf({ nobodies: 2 });
    await expectRefused(client.infer(wanted), "node_refused");
    expect(fixture.facilitator.calls).to.equal(1);
    expect(await client.account.show()).to.include({ reserved: 0n });
  });

  it("nor when no node is left", async () => {
    const client = clientOf({ nobodies: 0 });
    fixture.facilitator.refusal = new OpgError("no_active_node", "It takes no tasks now.");
    await expectRefused(client.infer(wanted), "no_active_node");
    expect(await client.account.show()).to.include({ reserved: 0n });
  });

  it("pays a plain call by a later entry of the offer that names an admitted node", async () => {
    const honest = fetchFrom(fixture);
    const twofold: Fetch = async (url, init) => {
      const response = await honest(url, init);
      const header = response.headers.get("payment-required");
      if (header === null) return response;
      const required = decodePaymentRequiredHeader(header);
      const [entry] = required.accepts as [(typeof required.accepts)[number]];
      const { task } = entry.extra as { task: TaskJson };
      const forged = { ...entry, extra: { ...entry.extra, task: { ...task, node: Wallet.createRandom().address } } };
      required.accepts.unshift(forged);
      const headers = { "payment-required": encodePaymentRequiredHeader(required) };
      return Response.json(await response.json(), { status: 402, headers });
    };
    const body = JSON.stringify(wanted);
    const init = { method: "POST", headers: { "content-type": "application/json" }, body };
    const client = payingClient(fixture, { fetch: twofold, maxAmount: 10_000n });
    const answer = await client.fetch(`${fixture.network.gateway}/v1/infer`, init);
    const { receipt } = inferAnswerJson.parse(await answer.json());
    expect(fixture.nodes.map(({ address }) => address)).to.include(receipt.task.node);
    const [kept] = await client.receipts();
    expect(kept).to.include({ scheme: "task", state: "answered" });
  });
});
