import { expect } from "chai";
import { hexlify, id, randomBytes, type Wallet, ZeroHash } from "ethers";
import {
  type Batch,
  batchIdOf,
  type BatchReceipt,
  batchReceiptToJson,
  batchToJson,
  batchTypedData,
} from "#protocol/batch.ts";
import { batchAnswerJson, type ShownReceiptJson } from "#protocol/batchMessages.ts";
import { isSignedBy, signDocument } from "#protocol/signedDocument.ts";
import { resultHashOf } from "#protocol/result.ts";
import { batchContentOf, batchWith } from "#service/batchContent.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import { type BatchNetwork, startBatchNetwork } from "#test/facilitator/batches/batchNetwork.ts";
import { startChainProxy } from "#test/facilitator/chainProxy.ts";

/** What a verifier may be asked otherwise. */
interface Changes {
  batch?: Partial<Batch>;
  shown?: (shown: ShownReceiptJson[]) => ShownReceiptJson[];
  signer?: Wallet;
}

describe("a verifier that is asked to sign a batch", function () {
  this.timeout(60_000);
  let net: BatchNetwork;
  let store: FacilitatorStore;
  let payer: Wallet;

  before(async () => {
    net = await startBatchNetwork();
    // Its batches are not wanted here, its books are.
    ({ store } = await net.start("asked"));
    payer = await net.openAccount(10_000n);
  });
  after(() => net.close());

  const receiptsOf = (taskIds: readonly string[]): Promise<BatchReceipt[]> =>
    Promise.all(
      taskIds.map(async (taskId) => {
        const result = (await store.findTask(taskId))?.result ?? expect.fail("the task has a result");
        const { payout, amount } = result;
        const resultHash = resultHashOf(result, net.settlement);
        return { salt: hexlify(randomBytes(32)), taskId, resultHash, payer: payer.address, payout, amount };
      }),
    );

  const batchOf = async (receipts: readonly BatchReceipt[]): Promise<Batch> => {
    const previous = await net.batches.headOf(net.facilitator.address);
    return batchWith(batchContentOf(receipts), { facilitator: net.facilitator.address, previous, epoch: 1n });
  };

  const post = async (path: string, body: unknown, verifier: number | string = 0) => {
    const url = typeof verifier === "string" ? verifier : net.verifierDaemons[verifier]?.url;
    const response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as { error?: { code: string } } };
  };

  const sign = (batch: Batch, signer: Wallet = net.facilitator) =>
    signDocument(signer, batchTypedData(batch, net.settlement));

  /** Has a verifier asked about a batch of these tasks that is right but for the changes. */
  const ask = async (taskIds: readonly string[], changes: Changes = {}, verifier: number | string = 0) => {
    const receipts = await receiptsOf(taskIds);
    const batch = { ...(await batchOf(receipts)), ...changes.batch };
    const shown = await Promise.all(
      receipts.map(async ({ taskId, resultHash, salt }) => {
        const { signature = "" } = (await store.findTask(taskId)) ?? {};
        return { taskId, resultHash, salt, signature };
      }),
    );
    const body = {
      batch: batchToJson(batch),
      signature: await sign(batch, changes.signer),
      receipts: changes.shown?.(shown) ?? shown,
    };
    const { status, body: answer } = await post("/batches", body, verifier);
    return { status, code: answer.error?.code, answer, batch, body };
  };

  const refusalsOf = (answer: unknown) => {
    const parsed = batchAnswerJson.parse(answer);
    return "refused" in parsed ? parsed.refused : [];
  };

  it("signs what it can make anew, and the same again", async () => {
    const taskIds = [await net.charge(store, payer, 5n), await net.charge(store, payer, 6n)];
    const { answer, batch, body } = await ask(taskIds);
    const parsed = batchAnswerJson.parse(answer);
    const { signature = "" } = "signature" in parsed ? parsed : {};
    expect(isSignedBy(parsed.verifier, batchTypedData(batch, net.settlement), signature)).to.equal(true);
    expect((await post("/batches", body)).body).to.deep.equal(answer);
  });

  it("refuses a batch on a stale head", async () => {
    const taskId = await net.charge(store, payer, 5n);
    expect((await ask([taskId], { batch: { previous: id("another head") } })).code).to.equal("batch_history_missing");
    // Of a head that it knows to have been.
    const [{ answer, batch }] = [await ask([taskId])];
    expect(batchAnswerJson.safeParse(answer).success).to.equal(true);
    const known = batchIdOf(batch, net.settlement);
    expect(await ask([taskId], { batch: { previous: known } })).to.include({ status: 409, code: "batch_stale" });
  });

  it("refuses a forged leaf: a root, debits or credits that the receipts do not make", async () => {
    const taskId = await net.charge(store, payer, 5n);
    for (const name of ["root", "debits", "credits"]) {
      const { status, code } = await ask([taskId], { batch: { [name]: id("forged") } });
      expect({ status, code }, name).to.deep.equal({ status: 409, code: "batch_mismatch" });
    }
    const salted = (shown: ShownReceiptJson[]) => shown.map((receipt) => ({ ...receipt, salt: id("other") }));
    expect((await ask([taskId], { shown: salted })).code).to.equal("batch_mismatch");
  });

  it("refuses a doubled leaf", async () => {
    const taskId = await net.charge(store, payer, 5n);
    const twice = (shown: ShownReceiptJson[]) => [...shown, ...shown.map((receipt) => ({ ...receipt, salt: id("2") }))];
    expect(await ask([taskId], { shown: twice })).to.include({ status: 409, code: "receipt_doubled" });
  });

  it("refuses whom the facilitator did not send, and who is no facilitator", async () => {
    const taskId = await net.charge(store, payer, 5n);
    expect(await ask([taskId], { signer: payer })).to.include({ status: 403, code: "invalid_signature" });
    const other = { batch: { facilitator: payer.address }, signer: payer };
    expect(await ask([taskId], other)).to.include({ status: 403, code: "unknown_facilitator" });
  });

  it("refuses an epoch in which its word does not count", async () => {
    const taskId = await net.charge(store, payer, 5n);
    for (const epoch of [0n, 2n]) {
      expect((await ask([taskId], { batch: { epoch } })).code).to.equal("certificate_incomplete");
    }
  });

  it("names the receipts that it does not sign, and signs nothing", async () => {
    const good = await net.charge(store, payer, 5n);
    const refused = await net.charge(store, payer, 5n, { refusedBy: [0] });
    const unseen = await net.charge(store, payer, 5n, { seenBy: [1, 2] });
    expect(refusalsOf((await ask([good, refused, unseen])).answer)).to.deep.equal([
      { taskId: refused, reason: "result_refused" },
      { taskId: unseen, reason: "certificate_required" },
    ]);
    const unsigned = (shown: ShownReceiptJson[]) =>
      shown.map((receipt) => ({ ...receipt, signature: payer.signingKey.sign(id("another task")).serialized }));
    expect(refusalsOf((await ask([good], { shown: unsigned })).answer)).to.deep.equal([
      { taskId: good, reason: "not_authorized" },
    ]);
  });

  it("takes a quorum's certificate for a task that it did not see, and nothing less", async () => {
    const unseen = await net.charge(store, payer, 5n, { seenBy: [1, 2] });
    const half = await net.charge(store, payer, 5n, { seenBy: [1, 2], certifiedBy: [1] });
    const certificates = await store.certificatesOf([unseen, half]);
    const json = (taskId: string) =>
      JSON.parse(
        JSON.stringify(certificates.get(taskId), (_, value: unknown) =>
          typeof value === "bigint" ? value.toString() : value,
        ),
      ) as NonNullable<ShownReceiptJson["certificate"]>;
    const withCertificate =
      (certificate: ShownReceiptJson["certificate"]) =>
      (shown: ShownReceiptJson[]): ShownReceiptJson[] =>
        shown.map((receipt) => ({ ...receipt, ...(certificate ? { certificate } : {}) }));

    expect((await ask([unseen], { shown: withCertificate(json(unseen)) })).status).to.equal(200);
    expect(refusalsOf((await ask([unseen], { shown: withCertificate(json(unseen)) })).answer)).to.deep.equal([]);
    const { nodeSignature, ...rest } = json(unseen);
    const forged = [
      json(half),
      { ...json(unseen), release: json(half).release },
      { ...rest, nodeSignature: payer.signingKey.sign(id("result")).serialized },
      { ...rest, nodeSignature, result: { ...rest.result, amount: "6" } },
    ];
    for (const certificate of forged) {
      expect(refusalsOf((await ask([unseen], { shown: withCertificate(certificate) })).answer)).to.deep.equal([
        { taskId: unseen, reason: "certificate_invalid" },
      ]);
    }
    expect(refusalsOf((await ask([half], { shown: withCertificate(json(half)) })).answer)).to.deep.equal([
      { taskId: half, reason: "certificate_invalid" },
    ]);
  });

  it("signs a receipt in two batches as long as none is settled, and in none after that", async () => {
    const { daemon, store: own } = await net.start("asked_twice");
    const taskId = await net.charge(own, payer, 5n);
    await net.charge(store, payer, 1n);
    const shared = store;
    store = own;
    try {
      expect(refusalsOf((await ask([taskId])).answer)).to.deep.equal([]);
      expect(refusalsOf((await ask([taskId])).answer)).to.deep.equal([]);
      net.demand();
      await net.ended(own, taskId, "settled");
      expect(refusalsOf((await ask([taskId])).answer)).to.deep.equal([{ taskId, reason: "already_settled" }]);
    } finally {
      store = shared;
      await net.stopFacilitator(daemon);
    }
  });

  it("takes the head's word for what is settled, where a search of the chain lags behind it", async () => {
    const settlementAddress = net.network.contracts.settlement.toLowerCase();
    const proxy = await startChainProxy(net.network.rpcUrl);
    // The block of the last batch is not there yet for who searches.
    proxy.disturbWith(({ method, params }) => {
      const [filter] = params as { address?: string }[];
      const isSearch = method === "eth_getLogs" && filter?.address?.toLowerCase() === settlementAddress;
      return isSearch ? { result: [] } : undefined;
    });
    const lagging = (await net.verifierDaemons[0]?.startBehind(proxy.url)) ?? expect.fail("there is a verifier");
    const { daemon, store: own } = await net.start("asked_behind");
    const shared = store;
    store = own;
    try {
      const taskId = await net.charge(own, payer, 5n);
      net.demand();
      await net.ended(own, taskId, "settled");
      expect(refusalsOf((await ask([taskId], {}, lagging.url)).answer)).to.deep.equal([
        { taskId, reason: "already_settled" },
      ]);
    } finally {
      store = shared;
      await net.stopFacilitator(daemon);
      await lagging.stop();
      await proxy.close();
    }
  });

  it("names at once what it refuses for what it is and what is settled", async () => {
    const { daemon, store: own } = await net.start("asked_for_both");
    const shared = store;
    store = own;
    try {
      const settled = await net.charge(own, payer, 5n);
      net.demand();
      await net.ended(own, settled, "settled");
      // The head is not the batch that has it any more.
      const later = await net.charge(own, payer, 5n);
      net.demand();
      await net.ended(own, later, "settled");
      const refused = await net.charge(own, payer, 5n, { refusedBy: [0] });
      expect(refusalsOf((await ask([settled, refused])).answer)).to.have.deep.members([
        { taskId: refused, reason: "result_refused" },
        { taskId: settled, reason: "already_settled" },
      ]);
    } finally {
      store = shared;
      await net.stopFacilitator(daemon);
    }
  });

  it("does not take a history that is not the facilitator's, not whole, or not in order", async () => {
    const taskId = await net.charge(store, payer, 5n);
    const receipts = await receiptsOf([taskId]);
    const batch = { ...(await batchOf(receipts)), previous: ZeroHash };
    const show = async (shown: Batch, changes: object = {}, signer?: Wallet) => {
      const body = {
        batch: batchToJson(shown),
        signature: await sign(shown, signer),
        receipts: receipts.map(batchReceiptToJson),
      };
      return (await post(`/batches/${batchIdOf(shown, net.settlement)}`, { ...body, ...changes })).body.error?.code;
    };
    expect(await show(batch, {}, payer)).to.equal("invalid_signature");
    expect(await show({ ...batch, root: id("forged") })).to.equal("batch_mismatch");
    expect(await show({ ...batch, previous: id("unknown") })).to.equal("batch_history_missing");
    const doubled = [...receipts, ...receipts].map(batchReceiptToJson);
    expect(await show(batch, { receipts: doubled })).to.equal("receipt_doubled");
    const { body } = await post(`/batches/${id("another")}`, {
      batch: batchToJson(batch),
      signature: await sign(batch),
      receipts: receipts.map(batchReceiptToJson),
    });
    expect(body.error?.code).to.equal("invalid_body");
    expect(await show(batch)).to.equal(undefined);
  });
});
