import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Wallet } from "ethers";
import { AccountsAdapter } from "#chain/accounts.ts";
import { BatchesAdapter } from "#chain/batches.ts";
import { type Client, createClient, type Inference } from "#client/index.ts";
import { fileState } from "#client/node.ts";
import { type BatchProofJson, batchProofJson, checkBatchProof } from "#protocol/batchProof.ts";
import { domainIn } from "#protocol/network.ts";
import { splitCharge, type Trail, trailProblems } from "#protocol/settlement.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { passSeconds, until } from "./chainControl.ts";
import { type Journey, startJourney } from "./journeyNetwork.ts";
import { newPayer } from "./newPayer.ts";
import { runOpg } from "./runOpg.ts";

const DEPOSIT = 20n * 10n ** 18n;
const CALLS = 12;
const BATCH_AGE_SECONDS = "2";

interface StatementDocument {
  lines: { kind: string; reference: string; version: string; amount: string; fees: string }[];
  models: { version: string; calls: number; amount: string; fees: string }[];
  totals: Record<"amount" | "fees" | "deposits" | "withdrawals" | "payouts", string>;
}

describe("many calls are paid out of an account and settled in batches", function () {
  this.timeout(300_000);
  let journey: Journey;
  let folder: string;
  let payer: Wallet;
  let client: Client;
  let calls: Inference[];
  let charged: bigint;

  const accountNow = () => {
    const { local, provider } = journey;
    const facilitator = local.network.facilitators[0]?.address ?? "";
    return new AccountsAdapter(local.network.contracts.taskEscrow, provider).accountOf({
      payer: payer.address,
      facilitator,
    });
  };
  const transactionsOf = (): Promise<number> => journey.provider.getTransactionCount(payer.address);
  const proofOf = async (taskId: string): Promise<BatchProofJson> => {
    const response = await fetch(`${journey.local.network.gateway}/v1/tasks/${taskId}/proof`);
    return (await response.json()) as BatchProofJson;
  };
  const statement = async (key: string, ...words: string[]): Promise<StatementDocument> => {
    const { code, stdout, stderr } = await runOpg(journey, ["statement", ...words, "--format", "json"], {
      OPG_KEY: key,
    });
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as StatementDocument;
  };

  before(async () => {
    journey = await startJourney({ env: { facilitator: { OPG_BATCH_AGE_SECONDS: BATCH_AGE_SECONDS } } });
    folder = await mkdtemp(join(tmpdir(), "opg-prefunded-"));
    payer = await newPayer(journey, DEPOSIT + 1n);
    const { gateway } = journey.local.network;
    client = createClient({
      ...{ gateway, signer: payer, network: journey.local.network, state: fileState(join(folder, "state")) },
      account: { maxAtStake: DEPOSIT },
    });
  });

  after(async () => {
    await journey.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("opens the account by one transaction", async () => {
    const before = await transactionsOf();
    await client.account.deposit({ amount: DEPOSIT });
    expect(await transactionsOf()).to.equal(before + 1);
    expect((await client.account.show()).onChain).to.include({ balance: DEPOSIT, isAuthorized: true });
  });

  it("answers many calls at once, each checked, without a transaction of its payer's", async () => {
    const before = await transactionsOf();
    const { versionId: model, inputs } = journey;
    calls = await Promise.all(Array.from({ length: CALLS }, () => client.infer({ model, inputs })));
    charged = calls.reduce((sum, { receipt }) => sum + receipt.result.amount, 0n);
    expect(charged > 0n).to.equal(true);
    expect(new Set(calls.map(({ taskId }) => taskId)).size).to.equal(CALLS);
    expect(await transactionsOf()).to.equal(before);
    expect(await client.account.show()).to.include({ cap: DEPOSIT, charged, reserved: 0n, atStake: DEPOSIT - charged });
  });

  it("settles them in fewer transactions than calls, and takes exactly what was charged", async () => {
    await until(async () => (await accountNow()).spent === charged);
    expect((await accountNow()).balance).to.equal(DEPOSIT - charged);
    const { local, provider } = journey;
    const batches = await new BatchesAdapter(local.network.contracts.settlement, provider).settledBatches({
      fromBlock: 0,
    });
    expect(batches.length).to.be.lessThan(CALLS);
    expect(batches.reduce((sum, { receipts }) => sum + receipts, 0n)).to.equal(BigInt(CALLS));
  });

  it("proves each call to be in a batch that the chain shows", async () => {
    const { network } = journey.local;
    for (const { taskId } of calls) await until(async () => (await client.trail(taskId)).state === "settled");
    for (const { taskId, receipt } of calls) {
      const proof = batchProofJson.parse(await proofOf(taskId));
      expect(checkBatchProof(proof, domainIn(network, "settlement")).ok).to.equal(true);
      expect(proof.receipt).to.include({ taskId, payer: payer.address, amount: receipt.result.amount });
    }
  });

  it("verify-receipt bears a proof out by the chain alone, and no damaged one", async () => {
    const file = join(folder, "proof.json");
    const proof = await proofOf(calls[0]?.taskId ?? "");
    await writeFile(file, JSON.stringify(proof));
    const good = await runOpg(journey, ["verify-receipt", file]);
    expect(good.code, good.stderr).to.equal(0);
    for (const part of [proof.receipt.taskId, proof.batchId, proof.transaction]) expect(good.stdout).to.include(part);
    const damaged = { ...proof, receipt: { ...proof.receipt, amount: "1" } };
    const unknown = { ...proof, batch: { ...proof.batch, previous: proof.receipt.taskId } };
    for (const wrong of [damaged, unknown]) {
      await writeFile(file, JSON.stringify(wrong));
      const { code, stderr } = await runOpg(journey, ["verify-receipt", file]);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^The chain does not bear out the receipt: .*\(invalid_receipt\)\n$/);
    }
  });

  it("trace tells leaf, path and batch, and shares that add up", async () => {
    const { taskId } = calls[0]!;
    const proof = await proofOf(taskId);
    const { stdout } = await runOpg(journey, ["trace", taskId]);
    for (const part of [proof.batchId, proof.transaction ?? "", ...proof.path]) expect(stdout).to.include(part);
    expect(stdout).to.include("yes: splits = charge");
    const { stdout: json } = await runOpg(journey, ["trace", taskId, "--json"]);
    const trail = JSON.parse(json) as Trail;
    expect(trailProblems(trail)).to.deep.equal([]);
    expect(trail.account?.batch).to.include({ batchId: proof.batchId });
  });

  it("statements of payer and nodes tell each call and its model, and add up to what the chain moved", async () => {
    const spent = await statement(payer.privateKey, "--payer", payer.address);
    expect(spent.totals).to.include({ amount: charged.toString(), deposits: DEPOSIT.toString(), withdrawals: "0" });
    const told = spent.lines.filter(({ kind }) => kind === "batch").map(({ reference }) => reference);
    expect(told).to.have.members(calls.map(({ taskId }) => taskId));
    expect(spent.models).to.have.length(1);
    expect(spent.models[0]).to.include({ version: journey.versionId, calls: CALLS, amount: charged.toString() });

    const operators = [localAccount("operator1"), localAccount("operator2")];
    const earned = await Promise.all(
      operators.map(({ privateKey, address }) => statement(privateKey, "--node", address)),
    );
    const income = earned.reduce((sum, { totals }) => sum + BigInt(totals.amount), 0n);
    expect(income).to.equal(charged);
    for (const [index, { totals }] of earned.entries()) {
      const owned = await journey.taskEscrow.earningsOf(operators[index]?.address ?? "");
      expect(BigInt(totals.amount) - BigInt(totals.fees) - BigInt(totals.payouts)).to.equal(owned);
    }
    const fees = earned.reduce((sum, { totals }) => sum + BigInt(totals.fees), 0n);
    const pool = await journey.settlement.poolOf(await journey.verifierSet.currentEpoch());
    expect(fees).to.equal(pool.verifierAmount + pool.treasuryAmount);
    const { node } = splitCharge(charged, { verifierBps: 1_000n, treasuryBps: 500n });
    expect(charged - fees <= node).to.equal(true);
  });

  it("shows a stranger sums, but no calls of others", async () => {
    const stranger = await newPayer(journey, 1n, false);
    const { lines, totals } = await statement(stranger.privateKey, "--payer", payer.address);
    expect(totals.amount).to.equal(charged.toString());
    const told = lines.filter(({ kind }) => kind === "batch").map(({ reference }) => reference);
    for (const { taskId } of calls) expect(told).not.to.include(taskId);
  });

  it("gives all that is left back to the payer, who asks nobody for it", async () => {
    const withdrawableAt = await client.account.initiateWithdraw({ amount: DEPOSIT });
    const before = await journey.opg.balanceOf(payer.address);
    const now = (await journey.provider.getBlock("latest"))?.timestamp ?? 0;
    await passSeconds(journey.provider, withdrawableAt - now);
    await client.account.finalizeWithdraw();
    expect(await journey.opg.balanceOf(payer.address)).to.equal(before + DEPOSIT - charged);
    expect(await accountNow()).to.include({ balance: 0n, spent: charged, withdrawing: 0n });
  });
});
