import { expect } from "chai";
import { id, ZeroAddress } from "ethers";
import { type Client, type Fetch, OpgError, type Receipt } from "#client/index.ts";
import { someInputs } from "#test/gateway/doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { fetchFrom, payingClient } from "./payingClient.ts";

describe("client.checkOnChain", () => {
  let fixture: GatewayFixture;
  let client: Client;
  let receipt: Receipt;

  before(async () => {
    fixture = await gatewayFixture();
    client = payingClient(fixture);
    ({ receipt } = await client.infer({ model: "doubling", inputs: someInputs }));
  });

  after(() => fixture.stop());

  async function contradiction(changed: Receipt): Promise<OpgError> {
    const error = await client.checkOnChain(changed).catch((cause: unknown) => cause);
    if (error instanceof OpgError) return error;
    throw new Error("the receipt was borne out", { cause: error });
  }

  it("finds the node registered, the verifiers members, and the result settled", async () => {
    const { transaction } = receipt;
    expect(transaction).not.to.equal(null);
    expect(await client.checkOnChain(receipt)).to.deep.equal({ node: "active", verifiers: 2, settledBy: transaction });
  });

  it("still holds when the node has retired since", async () => {
    const { nodeRegistry, wallets } = fixture;
    await nodeRegistry.connect(wallets.operator).retire(receipt.task.node);
    expect((await client.checkOnChain(receipt)).node).to.equal("retired");
  });

  it("says when nothing is settled so far", async () => {
    expect((await client.checkOnChain({ ...receipt, transaction: null })).settledBy).to.equal(null);
    expect((await client.checkOnChain({ ...receipt, transaction: id("pending") })).settledBy).to.equal(null);
  });

  const lies: [string, (receipt: Receipt) => Receipt][] = [
    ["task.node", (told) => ({ ...told, task: { ...told.task, node: ZeroAddress } })],
    ["result.payout", (told) => ({ ...told, result: { ...told.result, payout: ZeroAddress } })],
    ["release", (told) => ({ ...told, release: { ...told.release, facilitator: ZeroAddress } })],
    ["verdicts", (told) => ({ ...told, verdicts: told.verdicts.slice(0, 1) })],
    ["verdicts", (told) => ({ ...told, verdicts: told.verdicts.map((one) => ({ ...one, epoch: 7 })) })],
    ["verdicts", (told) => ({ ...told, verdicts: [told.verdicts[0]!, told.verdicts[0]!] })],
    ["transaction", (told) => ({ ...told, result: { ...told.result, amount: 1n } })],
    ["transaction", (told) => ({ ...told, task: { ...told.task, nonce: 1n } })],
  ];
  for (const [index, [part, lie]] of lies.entries()) {
    it(`does not bear out another ${part} (${index + 1})`, async () => {
      const error = await contradiction(lie(receipt));
      expect(error.code).to.equal("invalid_receipt");
      expect(error.values).to.include({ part });
    });
  }

  it("blames no receipt for a chain that does not answer", async () => {
    const dead: Fetch = async (url, init) =>
      url === fixture.network.rpcUrl ? new Response("", { status: 502 }) : fetchFrom(fixture)(url, init);
    const error = await payingClient(fixture, { fetch: dead })
      .checkOnChain(receipt)
      .catch((cause: unknown) => cause);
    expect(error).to.have.property("code", "chain_unavailable");
  });
});
