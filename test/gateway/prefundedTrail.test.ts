import { expect } from "chai";
import { id } from "ethers";
import { batchProofJson, checkBatchProof } from "#protocol/batchProof.ts";
import { OpgError } from "#protocol/errors.ts";
import { splitCharge, type Trail, trailProblems } from "#protocol/settlement.ts";
import { trailText } from "#tasks/trailText.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, someRequest } from "./paidRequest.ts";
import { payPrefunded } from "./prefundedPayment.ts";
import { parseTrail } from "./settledTask.ts";

const fees = { verifierBps: 1_000n, treasuryBps: 500n };
const DEPOSIT = 10n ** 18n;

describe("the trail of a task that an account pays for", () => {
  let fixture: GatewayFixture;
  let taskIds: string[];

  beforeEach(async () => {
    fixture = await gatewayFixture();
    const { opg, taskEscrow, wallets, addresses } = fixture;
    await opg.connect(wallets.payer).approve(addresses.taskEscrow, DEPOSIT);
    const { payer, facilitator } = wallets;
    await taskEscrow.connect(payer).deposit(payer.address, facilitator.address, DEPOSIT);
    taskIds = [];
    for (const nonce of ["0", "1", "2"]) taskIds.push(await buy(nonce));
  });

  afterEach(() => fixture.stop());

  async function buy(nonce: string): Promise<string> {
    const body = someRequest(fixture, { nonce });
    const response = await infer(fixture, body, await payPrefunded(fixture, await askOffer(fixture, body)));
    return ((await response.json()) as { taskId: string }).taskId;
  }

  async function trailOf(taskId: string): Promise<Trail> {
    return parseTrail(await (await fixture.app.request(`/v1/tasks/${taskId}`)).json());
  }

  async function errorAt(path: string): Promise<OpgError | undefined> {
    return OpgError.fromBody(await (await fixture.app.request(path)).json());
  }

  const first = (): string => taskIds[0] ?? "";

  it("says what is owed from the certificate on, and that nothing was divided yet", async () => {
    const trail = await trailOf(first());
    expect(trail).to.include({ state: "certified", charge: "1096", refund: "0" });
    expect(trail.account).to.deep.equal({ batch: null });
    expect(trail.splits).to.deep.equal([]);
    expect(trail.transactions).to.deep.equal([]);
    expect(trailProblems(trail)).to.deep.equal([]);
    expect(trailText(trail))
      .to.match(/out of the account/)
      .and.to.match(/owes it to the next batch/);
    expect((await errorAt(`/v1/tasks/${first()}/proof`))?.code).to.equal("not_settled_yet");
  });

  it("tells leaf, path and batch once that is settled, and its share of what the batch divided", async () => {
    await fixture.facilitator.settleBatch();
    const trail = await trailOf(first());
    expect(trail.state).to.equal("settled");
    const { node, verifiers, treasury } = splitCharge(1_096n, fees);
    expect(trail.splits.map(({ amount }) => BigInt(amount))).to.deep.equal([node, verifiers, treasury]);
    expect(trailProblems(trail)).to.deep.equal([]);
    const proof = batchProofJson.parse(await (await fixture.app.request(`/v1/tasks/${first()}/proof`)).json());
    const checked = checkBatchProof(proof, fixture.domainOf("settlement"));
    expect(checked).to.deep.equal({ ok: true, leaf: trail.account?.batch?.leaf, batchId: proof.batchId });
    expect(trail.account?.batch).to.include({ batchId: proof.batchId, receipts: 3 });
    expect(trail.account?.batch?.path).to.deep.equal(proof.path);
    expect(trail.transactions).to.have.length(1);
    expect(trail.transactions[0]).to.include({ purpose: "batch", hash: proof.transaction });
    const text = trailText(trail);
    for (const part of [proof.batchId, ...proof.path]) expect(text).to.include(part);
    expect(text).to.include("3 calls in one transaction").and.to.include("yes: splits = charge");
  });

  it("says of a call that was charged nothing that no batch holds it", async () => {
    fixture.facilitator.refund(first());
    expect((await errorAt(`/v1/tasks/${first()}/proof`))?.code).to.equal("nothing_charged");
    const trail = await trailOf(first());
    expect(trail).to.deep.include({ charge: "0", account: { batch: null } });
    expect(trailText(trail)).to.include("none: nothing was charged").and.not.to.include("yet");
    const page = await (await fixture.app.request(`/tasks/${first()}`)).text();
    expect(page).to.contain("nothing, so no batch holds it").and.not.to.contain("with its next batch");
  });

  it("adds up over the calls of a batch to what the chain took and gave", async () => {
    await fixture.facilitator.settleBatch();
    const trails = await Promise.all(taskIds.map(trailOf));
    const charged = trails.reduce((sum, { charge }) => sum + BigInt(charge), 0n);
    const { payer, facilitator } = fixture.wallets;
    const { spent } = await fixture.taskEscrow.accounts(payer.address, facilitator.address);
    expect(charged).to.equal(spent);
    const { splits } = trails[0]!;
    const earned = await fixture.taskEscrow.earnings(splits[0]?.to ?? "");
    expect(earned).to.equal(splitCharge(3n * 1_096n, fees).node);
  });

  it("is a page that names the batch", async () => {
    await fixture.facilitator.settleBatch();
    const page = await (await fixture.app.request(`/tasks/${first()}`)).text();
    const { account } = await trailOf(first());
    expect(page).to.contain(account?.batch?.batchId).and.to.contain(`/v1/tasks/${first()}/proof`);
    expect(page).to.contain("with 3 calls in one transaction").and.not.to.contain("does not add up");
  });

  it("believes no proof that proves nothing, and no batch that the chain does not show", async () => {
    await fixture.facilitator.settleBatch();
    const { proofs } = fixture.facilitator;
    const proof = proofs.get(first())!;
    proofs.set(first(), { ...proof, receipt: { ...proof.receipt, amount: "1" } });
    expect((await errorAt(`/v1/tasks/${first()}`))?.code).to.equal("facilitator_unavailable");
    const elsewhere = structuredClone(proof);
    elsewhere.batch.previous = id("another chain");
    proofs.set(first(), elsewhere);
    expect((await errorAt(`/v1/tasks/${first()}`))?.code).to.equal("facilitator_unavailable");
  });

  it("says which task is not known", async () => {
    expect((await errorAt("/v1/tasks/0x01/proof"))?.code).to.equal("unknown_task");
  });
});
