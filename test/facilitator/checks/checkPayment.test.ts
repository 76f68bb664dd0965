import { expect } from "chai";
import { checkPayment } from "#facilitator/checks/checkPayment.ts";
import type { PaymentFacts } from "#facilitator/checks/payment.ts";
import type { ErrorCode } from "#protocol/errors.ts";
import { facts, makePayment, now, type PaymentChanges, stranger, terms } from "./makePayment.ts";

async function check(changes: PaymentChanges = {}, changedFacts: Partial<PaymentFacts> = {}) {
  return checkPayment(await makePayment(changes), terms, { ...facts, ...changedFacts }, now);
}

async function expectRefusal(changes: PaymentChanges, code: ErrorCode, values: Record<string, unknown>): Promise<void> {
  const result = await check(changes);
  expect(result).to.include({ ok: false, code });
  expect(result).to.have.property("values").that.includes(values);
  expect(result)
    .to.have.property("message")
    .that.matches(/^[A-Z].*[.]$/);
}

describe("checkPayment", () => {
  it("passes a payment that covers the amount exactly", async () => {
    expect(await check()).to.deep.equal({ ok: true });
  });

  describe("terms", () => {
    it("refuses an authorization for another spender", () =>
      expectRefusal({ authorization: { spender: stranger } }, "invalid_permit2_spender", {
        have: stranger,
        need: terms.taskEscrow,
      }));

    it("refuses requirements that pay somebody else", () =>
      expectRefusal({ requirements: { payTo: stranger } }, "invalid_permit2_spender", {
        have: stranger,
        need: terms.taskEscrow,
      }));

    it("refuses a payment that names another facilitator", async () => {
      const { requirements } = await makePayment();
      const extra = { ...requirements.extra, facilitator: stranger };
      await expectRefusal({ requirements: { extra } }, "task_facilitator_mismatch", {
        have: stranger,
        need: terms.facilitator,
      });
    });

    it("refuses another token in authorization or requirements", async () => {
      const permitted = { token: stranger, amount: 1000n };
      await expectRefusal({ authorization: { permitted } }, "permit2_token_mismatch", {
        have: stranger,
        need: terms.token,
      });
      await expectRefusal({ requirements: { asset: stranger } }, "permit2_token_mismatch", {
        have: stranger,
        need: terms.token,
      });
    });

    for (const amount of [999n, 1001n]) {
      it(`refuses an authorization for 1000 where ${amount} is asked for`, () =>
        expectRefusal({ requirements: { amount } }, "permit2_amount_mismatch", { have: 1000n, need: amount }));
    }
  });

  describe("authorization and its task", () => {
    const contradictions: Record<string, PaymentChanges> = {
      from: { authorization: { from: stranger } },
      nonce: { authorization: { nonce: 8n } },
      "permitted.amount": { authorization: { permitted: { token: terms.token, amount: 1001n } } },
      deadline: { authorization: { deadline: BigInt(now + 300 + 59) } },
    };
    for (const [field, changes] of Object.entries(contradictions)) {
      it(`refuses where ${field} says something else`, () =>
        expectRefusal(changes, "task_authorization_mismatch", { field }));
    }
  });

  describe("deadline", () => {
    it("passes a task due in ten seconds and refuses one due in nine", async () => {
      expect(await check({ task: { deadline: now + 10 } })).to.deep.equal({ ok: true });
      await expectRefusal({ task: { deadline: now + 9 } }, "permit2_deadline_expired", {
        have: now + 9,
        need: now + 10,
      });
    });

    it("refuses an authorization that ends within six seconds, and speaks of the authorization then", async () => {
      const task = { deadline: now + 5 - terms.settleWindowSeconds };
      await expectRefusal({ task }, "permit2_deadline_expired", { have: BigInt(now + 5), need: BigInt(now + 6) });
    });

    it("passes the latest deadline that TaskEscrow takes and refuses one a second later", async () => {
      const latest = now + terms.maxTaskSeconds;
      expect(await check({ task: { deadline: latest } })).to.deep.equal({ ok: true });
      await expectRefusal({ task: { deadline: latest + 1 } }, "task_deadline_too_far", {
        have: latest + 1,
        need: latest,
      });
    });
  });

  describe("funds", () => {
    it("refuses one atomic unit too little, and says how much is missing", async () => {
      const result = await check({}, { balance: 999n });
      expect(result).to.deep.include({
        code: "permit2_insufficient_balance",
        values: { have: 999n, need: 1000n, outstanding: 0n },
      });
      expect(result).to.have.property("message").that.includes("add 1.");
    });

    it("wants what the payer owes already covered beside it", async () => {
      const owing = await check({}, { outstanding: 1n });
      expect(owing).to.deep.include({
        code: "permit2_insufficient_balance",
        values: { have: 1000n, need: 1001n, outstanding: 1n },
      });
      expect(await check({}, { outstanding: 1n, balance: 1001n })).to.include({ code: "permit2_allowance_required" });
      expect(await check({}, { outstanding: 1n, balance: 1001n, allowance: 1001n })).to.deep.equal({ ok: true });
    });

    it("refuses an allowance one atomic unit too small", async () => {
      const result = await check({}, { allowance: 999n });
      expect(result).to.include({ code: "permit2_allowance_required" });
      expect(result).to.have.property("values").that.includes({ have: 999n, need: 1000n });
    });

    it("refuses a nonce that was used on chain", async () => {
      expect(await check({}, { nonceUsed: true })).to.deep.include({
        code: "permit2_invalid_nonce",
        values: { nonce: 7n },
      });
    });

    it("refuses a nonce that is claimed for another task, also when that one's lock is open", async () => {
      expect(await check({}, { claim: "other" })).to.include({ code: "permit2_invalid_nonce" });
      expect(await check({}, { claim: "other", lock: "open" })).to.include({ code: "permit2_invalid_nonce" });
    });

    it("asks for no funds where this very payment is claimed, or its task open, already", async () => {
      const spent = { balance: 0n, allowance: 0n, nonceUsed: true };
      expect(await check({}, { ...spent, claim: "same" })).to.deep.equal({ ok: true });
      expect(await check({}, { ...spent, lock: "open" })).to.deep.equal({ ok: true });
      expect(await check({}, { nonceUsed: true, lock: "closed" })).to.include({ code: "permit2_invalid_nonce" });
    });

    it("refuses a token without code before it looks at the signature", async () => {
      const changes = { chainId: 1n };
      expect(await check(changes, { tokenHasCode: false })).to.include({ code: "asset_not_deployed_contract" });
      expect(await check(changes)).to.include({ code: "invalid_permit2_signature" });
    });
  });

  it("takes nothing new while the network is paused, and knows what it took before", async () => {
    expect(await check({}, { entriesPaused: true })).to.include({ code: "facilitator_unavailable" });
    expect(await check({}, { entriesPaused: true, claim: "same" })).to.deep.equal({ ok: true });
    expect(await check({}, { entriesPaused: true, lock: "open" })).to.deep.equal({ ok: true });
  });

  it("takes nothing new for a node that is not active, opened or not, and knows what it took before", async () => {
    expect(await check({}, { nodeActive: false })).to.include({ code: "no_active_node" });
    expect(await check({}, { nodeActive: false, lock: "open" })).to.include({ code: "no_active_node" });
    expect(await check({}, { nodeActive: false, claim: "same" })).to.deep.equal({ ok: true });
  });

  it("names the first of several faults, in the order of the checks", async () => {
    const { requirements } = await makePayment();
    const faults: [PaymentChanges, ErrorCode][] = [
      [{ authorization: { spender: stranger } }, "invalid_permit2_spender"],
      [{ requirements: { extra: { ...requirements.extra, facilitator: stranger } } }, "task_facilitator_mismatch"],
      [{ authorization: { nonce: 8n } }, "task_authorization_mismatch"],
      [{ task: { deadline: now } }, "permit2_deadline_expired"],
      [{ requirements: { amount: 1n } }, "permit2_amount_mismatch"],
      [{ requirements: { asset: stranger } }, "permit2_token_mismatch"],
      [{ chainId: 1n }, "invalid_permit2_signature"],
    ];
    for (let first = 0; first < faults.length; first++) {
      const later = faults.slice(first).map(([changes]) => changes);
      const all: PaymentChanges = {
        ...(later.find(({ chainId }) => chainId) ?? {}),
        task: Object.assign({}, ...later.map(({ task }) => task)) as object,
        authorization: Object.assign({}, ...later.map(({ authorization }) => authorization)) as object,
        requirements: Object.assign({}, ...later.map(({ requirements: part }) => part)) as object,
      };
      const result = await check(all, { balance: 0n, allowance: 0n, nonceUsed: true });
      expect(result).to.include({ code: faults[first]?.[1] });
    }
    expect(await check({}, { balance: 0n, allowance: 0n, nonceUsed: true })).to.include({
      code: "permit2_insufficient_balance",
    });
    expect(await check({}, { allowance: 0n, nonceUsed: true })).to.include({ code: "permit2_allowance_required" });
  });

  it("refuses a payment in the name of somebody who did not sign it", async () => {
    expect(await check({ task: { payer: stranger } })).to.include({ code: "invalid_permit2_signature" });
  });
});
