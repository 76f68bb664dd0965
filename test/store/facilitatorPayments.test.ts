import { expect } from "chai";
import { id, Wallet } from "ethers";
import { PERMIT2 } from "#protocol/payment.ts";
import { proxyAddresses } from "#protocol/proxyPayment.ts";
import { createLogger } from "#service/logger.ts";
import type { PaymentClaim } from "#store/facilitatorPayments.ts";
import { type FacilitatorStore, openFacilitatorStore } from "#store/facilitatorStore.ts";
import { emptyDatabase } from "./testDatabases.ts";

const most = 2n ** 256n - 1n;
const token = new Wallet(id("token")).address;
const terms = { identifier: null, funds: most };
const paid = { success: true, transaction: id("hash"), amount: "5" };
const failed = { success: false, errorReason: "permit2_invalid_nonce", errorMessage: "Used.", transaction: "" };

describe("merchants' payments in the facilitator's store", function () {
  this.timeout(60_000);
  let store: FacilitatorStore;
  let claims = 0;

  before(async () => {
    store = await openFacilitatorStore(await emptyDatabase(), createLogger("test", "silent"));
  });
  after(async () => {
    await store.close();
  });

  function newClaim(changes: Partial<PaymentClaim["payload"]["permit2Authorization"]> = {}): PaymentClaim {
    const name = `payment ${claims++}`;
    const from = new Wallet(id(name)).address;
    const witness = { to: token, facilitator: token, validAfter: most };
    const authorization = { from, permitted: { token, amount: 10n }, nonce: most, deadline: most, witness };
    const permit2Authorization = { ...authorization, spender: proxyAddresses.upto, ...changes };
    return {
      digest: id(name),
      scheme: "upto",
      payload: { signature: "0x12", permit2Authorization },
      merchant: null,
      resource: null,
      lapsesAt: permit2Authorization.deadline,
      permit: null,
      claimedBlock: 7,
    };
  }
  const payerOf = ({ payload }: PaymentClaim): string => payload.permit2Authorization.from;
  const outstandingOf = async (claim: PaymentClaim) => (await store.exposureOf(payerOf(claim), token)).outstanding;
  const claimed = async (changes?: Parameters<typeof newClaim>[0]): Promise<PaymentClaim> => {
    const claim = newClaim(changes);
    expect(await store.claimPayment(claim, terms)).to.deep.equal({ outcome: "claimed" });
    return claim;
  };

  it("keeps what was claimed, to the last bit", async () => {
    const claim = newClaim();
    const { from } = claim.payload.permit2Authorization;
    const permit = {
      from,
      asset: token,
      spender: PERMIT2,
      amount: most,
      nonce: most,
      deadline: most,
      signature: "0x34",
    };
    await store.claimPayment({ ...claim, permit }, { ...terms, identifier: "a".repeat(16) });
    expect(await store.findPayment(claim.digest)).to.deep.equal({
      ...{
        ...claim,
        permit,
        state: "claimed",
        repeated: false,
        reorged: false,
        identifier: "a".repeat(16),
        amount: null,
        answer: null,
        transactions: [],
      },
    });
    expect(await outstandingOf(claim)).to.equal(10n);
  });

  it("gives a nonce to one of fifty at the same time", async () => {
    const payer = new Wallet(id("one nonce")).address;
    const all = Array.from({ length: 50 }, () => newClaim({ from: payer }));
    const outcomes = await Promise.all(all.map((claim) => store.claimPayment(claim, terms)));
    const winner = all[outcomes.findIndex(({ outcome }) => outcome === "claimed")];
    const held = { outcome: "held", by: "nonce", holder: winner?.digest, identifier: null };
    expect(outcomes.filter(({ outcome }) => outcome !== "claimed")).to.deep.equal(Array(49).fill(held));
    expect(await outstandingOf(newClaim({ from: payer }))).to.equal(10n);
  });

  it("settles once: what comes later changes nothing", async () => {
    const { digest } = await claimed();
    await store.recordPaymentEnd(digest, paid, 100);
    expect((await store.findPayment(digest))?.state).to.equal("claimed");
    expect(await store.recordSettling(digest, 5n)).to.equal(true);
    expect(await store.recordSettling(digest, 6n)).to.equal(false);
    await store.recordLapse(digest, 100);
    expect(await store.recordPaymentEnd(digest, paid, 100)).to.deep.equal(paid);
    expect(await store.recordPaymentEnd(digest, failed, 101)).to.deep.equal(paid);
    expect(await store.findPayment(digest)).to.deep.include({ state: "settled", amount: 5n, answer: paid });
  });

  it("counts what was paid in a later block than the payer's funds are of as owed", async () => {
    const claim = await claimed();
    const from = payerOf(claim);
    await store.recordSettling(claim.digest, 10n);
    const settlement = { signer: "0xlater", purpose: "settle" as const, minedNonces: 0, subject: claim.digest };
    const { hash } = await store.recordTransaction(settlement, () =>
      Promise.resolve({ hash: id("later"), raw: "0x01" }),
    );
    await store.recordInclusion(hash, { status: "included", blockNumber: 9, blockHash: "0xb", gasUsed: 1n });
    await store.recordPaymentEnd(claim.digest, { ...paid, transaction: hash }, 100);
    expect((await store.exposureOf(from, token, 8)).outstanding).to.equal(10n);
    const next = { ...newClaim({ from, nonce: 1n }), claimedBlock: 8 };
    const covered = { ...terms, funds: 19n };
    const uncovered = { outcome: "uncovered", outstanding: 10n, lost: 0n };
    expect(await store.claimPayment(next, covered)).to.deep.equal(uncovered);
    expect(await store.claimPayment({ ...next, claimedBlock: 9 }, covered)).to.deep.equal({ outcome: "claimed" });
  });

  it("owes nothing after the end, whose nonce stays taken; a loss is kept", async () => {
    const claim = await claimed();
    await store.recordSettling(claim.digest, 4n);
    expect(await outstandingOf(claim)).to.equal(10n);
    const shares = [{ role: "merchant" as const, recipient: token, amount: 4n }];
    const loss = { reason: "permit2_invalid_nonce", shares };
    await store.recordPaymentEnd(claim.digest, failed, 100, loss);
    await store.recordPaymentEnd(claim.digest, failed, 100, loss);
    expect(await store.exposureOf(payerOf(claim), token)).to.deep.equal({ outstanding: 0n, lost: 4n });
    const again = await store.claimPayment(newClaim({ from: payerOf(claim) }), terms);
    expect(again).to.include({ outcome: "held", holder: claim.digest });
  });

  for (const [end, answer] of [
    ["settled", paid],
    ["failed", failed],
  ] as const) {
    it(`is taken from ${end} back to settling by a reorganisation alone, owes again, and ends anew`, async () => {
      const claim = await claimed();
      const { digest } = claim;
      await store.recordSettling(digest, 5n);
      const request = { signer: "0xsigner", subject: digest, purpose: "settle" as const, minedNonces: 0 };
      const sent = await store.recordTransaction(request, (nonce) => ({ hash: id(`${end} ${nonce}`), raw: "0x" }));
      const status = end === "settled" ? ("included" as const) : ("reverted" as const);
      await store.recordInclusion(sent.hash, { status, blockNumber: 9, blockHash: id("block"), gasUsed: 1n });
      await store.recordPaymentEnd(digest, { ...answer, transaction: sent.hash }, 100);
      expect((await store.findPayment(digest))?.state).to.equal(end);

      expect(await store.recordReorg(sent)).to.include({ status: "sent" });
      expect(await store.findPayment(digest)).to.deep.include({ state: "settling", answer: null, reorged: true });
      expect(await outstandingOf(claim)).to.equal(10n);
      const early = store.recordPaymentEnd(digest, { ...paid, transaction: sent.hash }, 100);
      expect(await early.catch((error: unknown) => error)).to.include({ code: "chain_unavailable" });
      expect((await store.findPayment(digest))?.state, "no block holds it").to.equal("settling");
      await store.recordInclusion(sent.hash, { status: "included", blockNumber: 9, blockHash: id("b2"), gasUsed: 1n });
      await store.recordPaymentEnd(digest, { ...paid, transaction: sent.hash }, 101);
      expect((await store.findPayment(digest))?.state).to.equal("settled");
      expect(await store.exposureOf(payerOf(claim), token)).to.deep.equal({ outstanding: 0n, lost: 0n });
    });
  }

  it("gives the nonce of a lapsed claim back, to itself too", async () => {
    const claim = await claimed();
    await store.recordLapse(claim.digest, 100);
    expect(await store.recordSettling(claim.digest, 1n)).to.equal(false);
    expect((await store.findPayment(claim.digest))?.state).to.equal("lapsed");
    expect(await outstandingOf(claim)).to.equal(0n);
    expect(await store.claimPayment(claim, terms)).to.deep.equal({ outcome: "claimed" });
    expect(await store.findPayment(claim.digest)).to.deep.include({ state: "claimed", answer: null });
  });

  it("lists those that are due, the earliest first", async () => {
    const [late, early] = [await claimed({ deadline: 51n }), await claimed({ deadline: 50n })];
    expect(await store.paymentsIn("claimed", 52)).to.deep.equal([early.digest, late.digest]);
    expect(await store.paymentsIn("claimed", 51)).to.deep.equal([early.digest]);
    expect(await store.paymentsIn("settling", 52)).to.deep.equal([]);
  });

  it("forgets what ended long ago, unless its authorization can still be used", async () => {
    const settled = await claimed();
    const free = await claimed();
    const over = await claimed({ deadline: 90n });
    const recent = await claimed();
    const waiting = await claimed({ deadline: 90n });
    for (const { digest } of [settled, recent]) await store.recordSettling(digest, 5n);
    for (const { digest } of [free, over]) await store.recordSettling(digest, 0n);
    for (const { digest } of [settled]) await store.recordPaymentEnd(digest, paid, 99);
    for (const { digest } of [free, over]) await store.recordPaymentEnd(digest, { ...paid, amount: "0" }, 99);
    await store.recordPaymentEnd(recent.digest, paid, 100);

    expect(await store.prunePayments(100)).to.equal(2);
    const left = await Promise.all(
      [settled, free, over, recent, waiting].map(({ digest }) => store.findPayment(digest)),
    );
    expect(left.map((payment) => payment?.state)).to.deep.equal([
      undefined,
      "settled",
      undefined,
      "settled",
      "claimed",
    ]);
    expect(await store.claimPayment(newClaim({ from: payerOf(settled) }), terms)).to.deep.equal({ outcome: "claimed" });
  });
});
