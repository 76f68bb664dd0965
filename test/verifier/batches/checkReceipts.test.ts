import { expect } from "chai";
import { id, Signature, Wallet } from "ethers";
import type { ShownReceipt } from "#protocol/batchMessages.ts";
import { checkReceipts, type KnownTask, knownTask } from "#verifier/batches/checkReceipts.ts";
import type { JudgedTask } from "#store/verifierBatches.ts";

const [facilitator, payer, payout] = ["facilitator", "payer", "payout"].map((name) => new Wallet(id(name)).address) as [
  string,
  string,
  string,
];
const authorizer = new Wallet(id("authorizer"));
const taskId = id("task");
const resultHash = id("result");

const shown: ShownReceipt = {
  taskId,
  resultHash,
  salt: id("salt"),
  signature: authorizer.signingKey.sign(taskId).serialized,
};
const known: KnownTask = { payer, facilitator, paymentDigest: taskId, resultHash, payout, amount: 7n };
const judged: JudgedTask = { taskId, ...known, reason: null };

const check = (receipt: ShownReceipt, task: KnownTask | "result_refused", signers = [authorizer.address]) =>
  checkReceipts([receipt], {
    facilitator,
    tasks: new Map([[receipt.taskId, task]]),
    authorizers: new Map([[payer, signers]]),
  });
const reasonOf = async (...given: Parameters<typeof check>) => (await check(...given)).refused[0]?.reason;

describe("checkReceipts", () => {
  it("takes a receipt from the own books, whatever the facilitator says of it", async () => {
    const { receipts, refused } = await check(shown, known);
    expect(refused).to.deep.equal([]);
    expect(receipts).to.deep.equal([{ salt: shown.salt, taskId, resultHash, payer, payout, amount: 7n }]);
  });

  it("takes EIP-2098's signature", async () => {
    const signature = Signature.from(shown.signature).compactSerialized;
    expect((await check({ ...shown, signature }, known)).receipts).to.have.length(1);
  });

  it("names what keeps a receipt out", async () => {
    expect(await reasonOf(shown, "result_refused")).to.equal("result_refused");
    expect(await reasonOf(shown, { ...known, facilitator: payer })).to.equal("other_facilitator");
    expect(await reasonOf(shown, { ...known, paymentDigest: id("payment") })).to.equal("not_prefunded");
    expect(await reasonOf(shown, { ...known, paymentDigest: null })).to.equal("not_prefunded");
    expect(await reasonOf(shown, known, [payer])).to.equal("not_authorized");
    expect(await reasonOf({ ...shown, signature: "0x1234" }, known)).to.equal("not_authorized");
    const foreign = authorizer.signingKey.sign(id("another task")).serialized;
    expect(await reasonOf({ ...shown, signature: foreign }, known)).to.equal("not_authorized");
  });

  it("tells the good receipts from the bad ones", async () => {
    const other = { ...shown, taskId: id("unknown") };
    const { receipts, refused } = await checkReceipts([shown, other], {
      facilitator,
      tasks: new Map([[taskId, known]]),
      authorizers: new Map([[payer, [authorizer.address]]]),
    });
    expect(receipts.map((receipt) => receipt.taskId)).to.deep.equal([taskId]);
    expect(refused).to.deep.equal([{ taskId: other.taskId, reason: "certificate_required" }]);
  });
});

describe("knownTask", () => {
  const certificate = {} as NonNullable<ShownReceipt["certificate"]>;

  it("goes by the own verdict on this result", () => {
    expect(knownTask(shown, judged, undefined)).to.deep.include({ payer, amount: 7n });
    const refusal = { ...judged, reason: "charge_mismatch" as const };
    expect(knownTask(shown, refusal, undefined)).to.equal("result_refused");
    expect(knownTask({ ...shown, certificate }, refusal, known)).to.equal("result_refused");
  });

  it("asks for a certificate of what it did not judge", () => {
    expect(knownTask(shown, undefined, undefined)).to.equal("certificate_required");
    expect(knownTask(shown, { ...judged, resultHash: id("other") }, undefined)).to.equal("certificate_required");
  });

  it("is convinced by a certificate, and by nothing less", () => {
    expect(knownTask({ ...shown, certificate }, undefined, known)).to.equal(known);
    expect(knownTask({ ...shown, certificate }, undefined, undefined)).to.equal("certificate_invalid");
  });
});
