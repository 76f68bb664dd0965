import { expect } from "chai";
import { id, Signature, TypedDataEncoder, ZeroAddress, ZeroHash } from "ethers";
import { batchIdOf } from "#protocol/batch.ts";
import { depositTypedData } from "#protocol/deposit.ts";
import { paymentTypedData, authorizationOf } from "#protocol/payment.ts";
import { resultHashOf } from "#protocol/result.ts";
import { taskIdOf } from "#protocol/task.ts";
import { type SignedType, signedTypes, typesOf } from "#protocol/typedData.ts";
import { voucherTypedData } from "#protocol/voucher.ts";
import { ethers, loadMoney, networkHelpers, walletOf } from "./moneyFixture.ts";

/** Checked by the money contracts; the hashes of all others are compared where they are checked, or never on chain. */
const moneyTypes: SignedType[] = ["Task", "Result", "Verdict", "Counts", "Handover", "Voucher", "Deposit", "Batch"];
const evidenceTypes: SignedType[] = ["Admission", "Revocation"];
const offChainTypes: SignedType[] = ["Release", "Commitment", "Refusal", "SealingKey"];

async function harnessFixture() {
  return ethers.deployContract("MoneyTypesHarness");
}

/** Values with every bit that the type allows, so that no field can be cut short or left out unseen. */
const values = {
  task: {
    payer: walletOf("payer").address,
    node: walletOf("node").address,
    model: id("model"),
    request: id("request"),
    policy: 255,
    maxAmount: 2n ** 128n - 1n,
    deadline: 2 ** 40 - 1,
    nonce: 2n ** 256n - 1n,
  },
  result: {
    taskId: id("task"),
    response: id("response"),
    payout: walletOf("payout").address,
    amount: 2n ** 128n - 1n,
    completedAt: 2 ** 40 - 1,
  },
  verdict: { resultHash: id("result"), epoch: 2n ** 64n - 1n, mode: 255, agrees: true },
  counts: {
    epoch: 2n ** 64n - 1n,
    verifiers: [walletOf("a").address, walletOf("b").address],
    counts: [2n ** 64n - 1n, 1n],
  },
  handover: {
    networkId: id("network"),
    epoch: 2n ** 64n - 1n,
    previousSet: id("previous"),
    nextSet: id("next"),
    validUntil: 2 ** 40 - 1,
  },
  voucher: { payer: walletOf("payer").address, facilitator: walletOf("facilitator").address, cap: 2n ** 96n - 1n },
  deposit: { payer: walletOf("payer").address, facilitator: walletOf("facilitator").address },
  batch: {
    facilitator: walletOf("facilitator").address,
    previous: id("previous"),
    root: id("root"),
    debits: id("debits"),
    credits: id("credits"),
    epoch: 2n ** 64n - 1n,
  },
};

const structHash = (name: SignedType, value: object): string => TypedDataEncoder.hashStruct(name, typesOf(name), value);

describe("MoneyTypes", () => {
  it("knows every signed type that the money contracts check, and no type is forgotten", async () => {
    const harness = await networkHelpers.loadFixture(harnessFixture);
    const [names] = await harness.typeHashes();
    expect([...names]).to.deep.equal(moneyTypes);
    expect([...moneyTypes, ...evidenceTypes, ...offChainTypes].sort()).to.deep.equal(Object.keys(signedTypes).sort());
  });

  it("has the type hashes of packages/protocol", async () => {
    const harness = await networkHelpers.loadFixture(harnessFixture);
    const [, hashes] = await harness.typeHashes();
    expect([...hashes]).to.deep.equal(
      moneyTypes.map((name) => id(TypedDataEncoder.from(typesOf(name)).encodeType(name))),
    );
  });

  it("has the struct hashes of packages/protocol", async () => {
    const harness = await networkHelpers.loadFixture(harnessFixture);
    const { task, result, verdict, counts, handover } = values;
    expect(await harness.hashTask(task)).to.equal(structHash("Task", task));
    expect(await harness.hashResult(result)).to.equal(structHash("Result", result));
    expect(await harness.hashVerdict(verdict.resultHash, verdict.epoch, verdict.mode, verdict.agrees)).to.equal(
      structHash("Verdict", verdict),
    );
    expect(await harness.hashCounts(counts.epoch, counts.verifiers, counts.counts)).to.equal(
      structHash("Counts", counts),
    );
    const { networkId, epoch, previousSet, nextSet, validUntil } = handover;
    expect(await harness.hashHandover(networkId, epoch, previousSet, nextSet, validUntil)).to.equal(
      structHash("Handover", handover),
    );
    const { deposit, batch } = values;
    expect(await harness.hashDeposit(deposit.payer, deposit.facilitator)).to.equal(structHash("Deposit", deposit));
    expect(await harness.hashBatch(batch)).to.equal(structHash("Batch", batch));
  });

  it("reads the signer of a voucher as packages/protocol makes it, and nobody where there is none", async () => {
    const harness = await networkHelpers.loadFixture(harnessFixture);
    const { voucher } = values;
    const domain = { chainId: 1n, verifyingContract: voucher.facilitator };
    const { domain: named, types, value } = voucherTypedData(voucher, domain);
    const { r, yParityAndS } = Signature.from(await walletOf("payer").signTypedData(named, types, value));
    const signerOf = (cap: bigint, vs: string) =>
      harness.voucherSigner(TypedDataEncoder.hashDomain(named), voucher.payer, voucher.facilitator, cap, r, vs);
    expect(await signerOf(voucher.cap, yParityAndS)).to.equal(voucher.payer);
    expect(await signerOf(voucher.cap - 1n, yParityAndS)).not.to.equal(voucher.payer);
    expect(await signerOf(voucher.cap, ZeroHash)).to.equal(ZeroAddress);
  });

  it("completes Permit2's type to the one that packages/protocol signs", async () => {
    const harness = await networkHelpers.loadFixture(harnessFixture);
    const { types } = paymentTypedData(
      authorizationOf(values.task, { token: values.task.payer, taskEscrow: values.task.node, settleWindowSeconds: 0 }),
      1n,
    );
    const { payer, facilitator } = values.deposit;
    const deposit = { payer, facilitator, token: payer, taskEscrow: payer, amount: 1n };
    const { types: depositTypes } = depositTypedData(deposit, { nonce: 0n, deadline: 0n }, 1n);
    const stub = "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,";
    const typeOf = (all: Parameters<typeof TypedDataEncoder.from>[0]): string =>
      TypedDataEncoder.from(all).encodeType("PermitWitnessTransferFrom");
    const witnesses = await harness.witnessTypeStrings();
    expect(stub + witnesses.task).to.equal(typeOf(types));
    expect(stub + witnesses.deposit).to.equal(typeOf(depositTypes));
  });

  it("gives tasks, results and batches the full digests of packages/protocol", async () => {
    const { taskEscrow, settlement, domainOf } = await loadMoney();
    expect(await settlement.batchIdOf(values.batch)).to.equal(batchIdOf(values.batch, domainOf("settlement")));
    expect(await taskEscrow.taskIdOf(values.task)).to.equal(taskIdOf(values.task, domainOf("taskEscrow")));
    expect(await settlement.resultHashOf(values.result)).to.equal(resultHashOf(values.result, domainOf("settlement")));
  });
});
