import { expect } from "chai";
import { id, ZeroAddress } from "ethers";
import type { InferAnswerJson } from "#protocol/inferAnswer.ts";
import type { ReleasedTask } from "#protocol/messages.ts";
import { createLogger } from "#service/logger.ts";
import { type BegunPayment, type GatewayStore, openGatewayStore } from "#store/gatewayStore.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";

const silent = createLogger("test", "silent");
const now = 1_900_000_000;

function paymentOf(name: string, changes: Partial<BegunPayment> = {}): BegunPayment {
  return {
    paymentDigest: id(name),
    signatureHash: id(`signature of ${name}`),
    versionId: id("version"),
    inputDigest: id("inputs"),
    salt: id("salt"),
    ...changes,
  };
}

const task = {
  payer: ZeroAddress,
  node: ZeroAddress,
  model: id("version"),
  request: id("request"),
  policy: 0,
  maxAmount: 2n ** 128n - 1n,
  deadline: 2 ** 40 - 1,
  nonce: 2n ** 256n - 1n,
};
const released: ReleasedTask = {
  taskId: id("task"),
  task,
  release: {
    taskId: id("task"),
    paymentDigest: id("payment"),
    releasedAt: now,
    facilitator: ZeroAddress,
    signature: "0x1234",
  },
  transactions: [],
};
/** Keys in an order that no database would choose. */
const answer = { taskId: id("task"), outputs: { z: {}, a: {} }, receipt: {} } as unknown as InferAnswerJson;

describe("GatewayStore", () => {
  let store: GatewayStore;
  let url: string;

  before(async function () {
    this.timeout(60_000);
    url = await emptyDatabase();
    store = await openGatewayStore(url, silent);
  });
  after(() => store.close());

  it("gives back what it was given, to the last byte, also when it is opened again", async () => {
    const payment = paymentOf("kept");
    await store.begin(payment, now, now + 100);
    expect(await store.find(payment, now)).to.deep.equal({ ...payment, released: null, answer: null });
    await store.recordRelease(payment, released, now + 100);
    await store.recordAnswer(payment, answer, now + 100);
    const again = await openGatewayStore(url, silent);
    const stored = await again.find(payment, now);
    await again.close();
    expect(stored).to.deep.equal({ ...payment, released, answer });
    expect(JSON.stringify(stored?.answer)).to.equal(JSON.stringify(answer));
  });

  it("keeps forgeries of a payment apart", async () => {
    const payment = paymentOf("forged");
    const forgery = { ...payment, signatureHash: id("another signature") };
    await store.begin(payment, now, now + 100);
    expect(await store.find(forgery, now)).to.equal(undefined);
    await store.begin(forgery, now, now + 100);
    const rows = await store.findByDigest(payment.paymentDigest, now);
    expect(rows.map(({ signatureHash }) => signatureHash)).to.have.members([
      payment.signatureHash,
      forgery.signatureHash,
    ]);
  });

  it("lets another request take the place of one that was not released, and of none that was", async () => {
    const payment = paymentOf("contended");
    const other = { ...payment, inputDigest: id("other inputs") };
    await store.begin(other, now, now + 100);
    await store.begin(payment, now, now + 100);
    expect(await store.find(payment, now)).to.include(payment);
    await store.recordRelease(payment, released, now + 100);
    await store.begin(other, now, now + 100);
    expect(await store.find(payment, now)).to.deep.include({ ...payment, released });
  });

  it("records a release whose beginning another gateway has forgotten, and takes no answer away with it", async () => {
    const payment = paymentOf("raced");
    await store.begin(payment, now, now + 100);
    await store.forget(payment);
    expect(await store.find(payment, now)).to.equal(undefined);
    await store.recordRelease(payment, released, now + 100);
    await store.recordAnswer(payment, answer, now + 100);
    await store.recordRelease(payment, released, now + 100);
    await store.forget(payment);
    expect(await store.find(payment, now)).to.deep.include({ released, answer });
  });

  it("finds nothing after its time, and prunes that alone", async () => {
    const [over, kept] = [paymentOf("over"), paymentOf("in time")];
    await store.prune(now + 1_000_000);
    await store.begin(over, now, now + 10);
    await store.recordRelease(over, released, now + 10);
    await store.begin(kept, now, now + 11);
    expect(await store.find(over, now + 10)).to.equal(undefined);
    expect(await store.findByDigest(over.paymentDigest, now + 10)).to.deep.equal([]);
    expect(await store.prune(now + 10)).to.equal(1);
    expect(await store.find(over, now)).to.equal(undefined);
    expect(await store.find(kept, now)).to.include(kept);
  });

  it("begins anew what is over and not pruned yet", async () => {
    const payment = paymentOf("anew");
    await store.begin(payment, now, now + 10);
    await store.recordRelease(payment, released, now + 10);
    await store.begin(payment, now + 10, now + 20);
    expect(await store.find(payment, now + 10)).to.deep.equal({ ...payment, released: null, answer: null });
  });
});
