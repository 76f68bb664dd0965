import { expect } from "chai";
import { id, Wallet, ZeroHash } from "ethers";
import { type Batch, batchIdOf, type BatchReceipt, batchReceiptToJson, batchToJson } from "#protocol/batch.ts";
import { type BatchProof, batchProofJson, checkBatchProof } from "#protocol/batchProof.ts";
import { batchContentOf, batchWith } from "#service/batchContent.ts";

const settlement = { chainId: 31_337n, verifyingContract: new Wallet(id("settlement")).address };
const place = { facilitator: new Wallet(id("facilitator")).address, previous: ZeroHash, epoch: 1n };

const receiptOf = (index: number): BatchReceipt => ({
  salt: id(`salt ${index}`),
  taskId: id(`task ${index}`),
  resultHash: id(`result ${index}`),
  payer: new Wallet(id(`payer ${index % 3}`)).address,
  payout: new Wallet(id(`payout ${index % 2}`)).address,
  amount: BigInt(index + 1),
});

function proofsOf(count: number): BatchProof[] {
  const receipts = Array.from({ length: count }, (_, index) => receiptOf(index));
  const content = batchContentOf(receipts);
  const batch: Batch = batchWith(content, place);
  const batchId = batchIdOf(batch, settlement);
  return receipts.map((receipt, index) => {
    return { batchId, batch, receipt, path: content.tree.getProof(content.leaves[index] ?? ""), transaction: null };
  });
}

describe("checkBatchProof", () => {
  for (const count of [1, 2, 3, 7, 64]) {
    it(`takes the proof of each of ${count} receipts`, () => {
      for (const proof of proofsOf(count)) {
        expect(checkBatchProof(proof, settlement)).to.deep.include({ ok: true, batchId: proof.batchId });
      }
    });
  }

  it("takes a proof as it was sent", () => {
    const [proof] = proofsOf(5) as [BatchProof];
    const sent = { ...proof, batch: batchToJson(proof.batch), receipt: batchReceiptToJson(proof.receipt) };
    const read = batchProofJson.parse(JSON.parse(JSON.stringify(sent)));
    expect(checkBatchProof(read, settlement).ok).to.equal(true);
  });

  it("refuses a receipt of which any part is another", () => {
    const [{ receipt, ...proof }] = proofsOf(5) as [BatchProof];
    const changes: Partial<BatchReceipt>[] = [
      { salt: id("other") },
      { taskId: id("other") },
      { resultHash: id("other") },
      { payer: place.facilitator },
      { payout: place.facilitator },
      { amount: receipt.amount + 1n },
    ];
    for (const change of changes) {
      const forged = { ...proof, receipt: { ...receipt, ...change } };
      expect(checkBatchProof(forged, settlement).ok, Object.keys(change)[0]).to.equal(false);
    }
  });

  it("refuses a path that is shorter, longer, or another receipt's", () => {
    const [proof, other] = proofsOf(8) as [BatchProof, BatchProof];
    for (const path of [proof.path.slice(1), [...proof.path, id("more")], other.path, []]) {
      expect(checkBatchProof({ ...proof, path }, settlement).ok).to.equal(false);
    }
  });

  it("refuses a batch of which any part is another, and one of another chain or contract", () => {
    const [proof] = proofsOf(8) as [BatchProof];
    const changes: Partial<Batch>[] = [
      { facilitator: settlement.verifyingContract },
      { previous: id("other") },
      { root: id("other") },
      { debits: id("other") },
      { credits: id("other") },
      { epoch: 2n },
    ];
    for (const change of changes) {
      const forged = { ...proof, batch: { ...proof.batch, ...change } };
      expect(checkBatchProof(forged, settlement).ok, Object.keys(change)[0]).to.equal(false);
    }
    expect(checkBatchProof(proof, { ...settlement, chainId: 1n }).ok).to.equal(false);
    expect(checkBatchProof(proof, { ...settlement, verifyingContract: place.facilitator }).ok).to.equal(false);
  });
});
