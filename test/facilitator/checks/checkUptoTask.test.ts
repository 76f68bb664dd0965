import { expect } from "chai";
import { checkPayment } from "#facilitator/checks/checkPayment.ts";
import type { PaymentFacts } from "#facilitator/checks/payment.ts";
import type { ErrorCode } from "#protocol/errors.ts";
import { facts, makeUptoPayment, now, stranger, terms, type UptoChanges } from "./makePayment.ts";

const window = BigInt(terms.settleWindowSeconds);

async function check(changes: UptoChanges = {}, changedFacts: Partial<PaymentFacts> = {}) {
  return checkPayment(await makeUptoPayment(changes), terms, { ...facts, ...changedFacts }, now);
}

/** A deadline that the payer signed and the gateway has understood. */
const dueIn = (seconds: number): UptoChanges => ({
  authorization: { deadline: BigInt(now + seconds) + window },
  task: { deadline: now + seconds },
});

describe("checkPayment of scheme upto", () => {
  it("passes a payment that covers the amount exactly and has just begun", async () => {
    expect(await check()).to.deep.equal({ ok: true });
  });

  const faults: [string, UptoChanges, ErrorCode][] = [
    ["another spender than x402's proxy", { authorization: { spender: terms.taskEscrow } }, "invalid_permit2_spender"],
    ["money for somebody else", { witness: { to: stranger } }, "invalid_permit2_recipient_mismatch"],
    [
      "requirements that pay somebody else",
      { requirements: { payTo: stranger } },
      "invalid_permit2_recipient_mismatch",
    ],
    ["another facilitator's entry", { witness: { facilitator: stranger } }, "upto_facilitator_mismatch"],
    [
      "our signer in place of our entry, which TaskEscrow could not use",
      { witness: { facilitator: terms.facilitator } },
      "upto_facilitator_mismatch",
    ],
    ["no time to settle", { authorization: { deadline: BigInt(now + 5) } }, "permit2_deadline_expired"],
    ["no time to compute", dueIn(9), "permit2_deadline_expired"],
    ["a deadline beyond what TaskEscrow takes", dueIn(terms.maxTaskSeconds + 1), "task_deadline_too_far"],
    ["an endless deadline", { authorization: { deadline: 2n ** 256n - 1n } }, "task_deadline_too_far"],
    ["a beginning in the future", { witness: { validAfter: BigInt(now + 1) } }, "permit2_not_yet_valid"],
    ["less than was asked for", { requirements: { amount: 1001n } }, "permit2_amount_mismatch"],
    [
      "a payment of nothing",
      { authorization: { permitted: { token: terms.token, amount: 0n } }, requirements: { amount: 0n } },
      "permit2_invalid_amount",
    ],
    [
      "another token, even where the requirements name it",
      { authorization: { permitted: { token: stranger, amount: 1000n } }, requirements: { asset: stranger } },
      "permit2_token_mismatch",
    ],
    ["a signature for another chain", { chainId: 1n }, "invalid_permit2_signature"],
    ["a permit that cannot be read", { permit: "malformed" }, "invalid_eip2612_extension_format"],
  ];
  for (const [what, changes, code] of faults) {
    it(`refuses ${what}`, async () => {
      const result = await check(changes);
      expect(result).to.include({ ok: false, code });
      expect(result)
        .to.have.property("message")
        .that.matches(/^[A-Z].*[.]$/);
    });
  }

  for (const seconds of [10, terms.maxTaskSeconds]) {
    it(`passes a task due in ${seconds} seconds`, async () => {
      expect(await check(dueIn(seconds))).to.deep.equal({ ok: true });
    });
  }

  const proposals: Record<string, UptoChanges["task"]> = {
    payer: { payer: stranger },
    nonce: { nonce: 8n },
    maxAmount: { maxAmount: 999n },
    deadline: { deadline: now + 299 },
    policy: { policy: 1 },
  };
  for (const [field, task = {}] of Object.entries(proposals)) {
    it(`refuses a proposed task with another ${field} than was paid for`, async () => {
      const result = await check({ task });
      expect(result).to.include({ code: "task_authorization_mismatch" });
      expect(result).to.have.property("values").that.includes({ field });
    });
  }

  it("wants what the payer owes already covered beside it", async () => {
    expect(await check({}, { outstanding: 1n })).to.include({ code: "permit2_insufficient_balance" });
    expect(await check({}, { outstanding: 1n, balance: 1001n })).to.include({ code: "permit2_allowance_required" });
    expect(await check({}, { outstanding: 1n, balance: 1001n, allowance: 1001n })).to.deep.equal({ ok: true });
  });
});
