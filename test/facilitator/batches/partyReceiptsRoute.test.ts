import { expect } from "chai";
import { id, Wallet } from "ethers";
import { Hono } from "hono";
import { addPartyReceiptsRoute } from "#facilitator/batches/partyReceiptsRoute.ts";
import type { BatchReceipt } from "#protocol/batch.ts";
import { OpgError } from "#protocol/errors.ts";
import { partyReceiptsJson, receiptsHeaders, receiptsMessage } from "#protocol/partyReceipts.ts";
import { createApp } from "#service/httpApp.ts";
import { createLogger } from "#service/logger.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";

const NOW = 1_800_000_000;
const batchId = id("batch");
const payers = [new Wallet(id("one")), new Wallet(id("other"))] as const;
const payout = new Wallet(id("payout"));

const receipts: BatchReceipt[] = payers.map(({ address }, index) => ({
  salt: id(`salt ${index}`),
  taskId: id(`task ${index}`),
  resultHash: id(`result ${index}`),
  payer: address,
  payout: payout.address,
  amount: 5n,
}));
/** As far as the route asks it. */
const store = {
  findBatch: (name: string) => Promise.resolve(name === batchId ? { batchId, state: "settled" } : undefined),
  partyReceipts: (_: string, party: string) => {
    const own = receipts.filter(({ payer, payout }) => payer === party || payout === party);
    return Promise.resolve(own.map((receipt) => ({ receipt, model: id("model"), node: payout.address })));
  },
} as unknown as FacilitatorStore;

describe("GET /batches/{batchId}/receipts/{party}", () => {
  let app: Hono;

  before(() => {
    app = createApp(createLogger("facilitator", "silent"), 1_024);
    addPartyReceiptsRoute(app, { store, clock: () => NOW });
  });

  interface Asked {
    as?: Wallet;
    of?: string;
    batch?: string;
    until?: number;
    signed?: string;
  }

  async function ask({ as = payers[0], of = as.address, batch = batchId, until = NOW + 60, signed }: Asked = {}) {
    const signature = signed ?? (await as.signMessage(receiptsMessage(batch, of, until)));
    const headers = { [receiptsHeaders.validUntil]: String(until), [receiptsHeaders.signature]: signature };
    return app.request(`/batches/${batch}/receipts/${of}`, { headers });
  }

  async function taskIdsIn(response: Response): Promise<string[]> {
    return partyReceiptsJson.parse(await response.json()).receipts.map(({ receipt }) => receipt.taskId);
  }

  it("shows a payer its own receipts, and nobody else's", async () => {
    expect(await taskIdsIn(await ask())).to.deep.equal([id("task 0")]);
    expect(await taskIdsIn(await ask({ as: payers[1] }))).to.deep.equal([id("task 1")]);
  });

  it("shows who is paid all that it is paid for", async () => {
    expect(await taskIdsIn(await ask({ as: payout }))).to.deep.equal([id("task 0"), id("task 1")]);
  });

  it("shows a stranger that it has none", async () => {
    expect(await taskIdsIn(await ask({ as: new Wallet(id("stranger")) }))).to.deep.equal([]);
  });

  const refusals: [string, Asked, string][] = [
    ["another's signature", { as: payers[0], of: payers[1].address }, "invalid_signature"],
    ["a signature that is none", { signed: "0x00" }, "invalid_signature"],
    ["a request whose time is over", { until: NOW - 1 }, "invalid_signature"],
    ["a request that is good for ever", { until: NOW + 601 }, "invalid_signature"],
    ["a time that is none", { until: NaN }, "invalid_body"],
    ["a party that is no address", { of: "0x01" }, "invalid_body"],
    ["a batch that is not settled here", { batch: id("other") }, "not_settled_yet"],
  ];
  for (const [name, asked, code] of refusals) {
    it(`refuses ${name}`, async () => {
      const error = OpgError.fromBody(await (await ask(asked)).json());
      expect(error?.code).to.equal(code);
    });
  }
});
