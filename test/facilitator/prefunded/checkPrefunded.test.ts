import { expect } from "chai";
import { id, Signature, Wallet } from "ethers";
import type { AccountState } from "#chain/accountReader.ts";
import { firstRefusal } from "#facilitator/checks/check.ts";
import { authorizersFor } from "#facilitator/prefunded/authorizers.ts";
import { callDigests } from "#facilitator/prefunded/callDigests.ts";
import { checkAuthority, checkPrefundedTerms } from "#facilitator/prefunded/checkPrefunded.ts";
import { type PrefundedPayment, readPrefundedPayment } from "#facilitator/prefunded/prefundedPayment.ts";
import { taskTypedData } from "#protocol/prefunded.ts";
import { policies, type Task, taskToJson } from "#protocol/task.ts";
import type { Domain } from "#protocol/typedData.ts";
import { type Voucher, voucherTypedData } from "#protocol/voucher.ts";
import { now, payer, stranger, terms } from "#test/facilitator/checks/makePayment.ts";

const domain: Domain = { chainId: terms.chainId, verifyingContract: terms.taskEscrow };
const digests = callDigests(domain);
const key = new Wallet(id("the account's key"));

const account: AccountState = {
  ...{ balance: 1000n, spent: 0n, withdrawing: 0n, withdrawableAt: 0 },
  ...{ current: payer.address, previous: stranger, previousUntil: 0 },
};

/** What differs from a payment that passes every check. */
interface Changes {
  task?: Partial<Task>;
  voucher?: Partial<Voucher>;
  requirements?: Record<string, unknown>;
  facilitator?: string;
  signer?: Wallet;
  voucherSigner?: Wallet;
  /** Where the signatures are made. */
  domain?: Partial<Domain>;
  /** Where the voucher's is, if elsewhere. */
  voucherDomain?: Partial<Domain>;
  compact?: boolean;
}

async function makeCall(changes: Changes = {}): Promise<PrefundedPayment> {
  const task: Task = {
    ...{ payer: payer.address, node: stranger, model: id("version"), request: id("request") },
    ...{ policy: policies.reExecution, maxAmount: 1000n, deadline: now + 120, nonce: 7n, ...changes.task },
  };
  const { facilitator = terms.facilitator, signer = payer, voucherSigner = signer, compact = false } = changes;
  const voucher = { payer: task.payer, facilitator: terms.facilitator, cap: 5000n, ...changes.voucher };
  const signed = { ...domain, ...changes.domain };
  const sign = async (by: Wallet, typed: ReturnType<typeof taskTypedData> | ReturnType<typeof voucherTypedData>) => {
    const signature = await by.signTypedData(typed.domain, typed.types, typed.value);
    return compact ? Signature.from(signature).compactSerialized : signature;
  };
  const payload = {
    ...{ task: taskToJson(task), facilitator, signature: await sign(signer, taskTypedData(task, signed)) },
    voucher: {
      cap: voucher.cap.toString(),
      signature: await sign(voucherSigner, voucherTypedData(voucher, { ...signed, ...changes.voucherDomain })),
    },
  };
  const named = { scheme: "prefunded", network: terms.network };
  const requirements = {
    ...{ ...named, amount: "1000", asset: terms.token, payTo: terms.taskEscrow },
    ...{ extra: { facilitator: terms.facilitator }, ...changes.requirements },
  };
  const paymentPayload = { x402Version: 2, accepted: named, payload };
  return readPrefundedPayment({ x402Version: 2, paymentPayload, paymentRequirements: requirements }, digests);
}

async function verdict(changes: Changes, facts: Partial<AccountState> = {}): Promise<string> {
  const payment = await makeCall(changes);
  const authorizers = authorizersFor(payment.task, { ...account, ...facts }, terms);
  const result = firstRefusal([
    () => checkPrefundedTerms(payment, terms, now),
    () => checkAuthority(payment, authorizers),
  ]);
  return result.ok ? "passed" : [result.code, result.values["field"]].filter(Boolean).join(" ");
}

describe("checks of a prefunded call", () => {
  const cases: [string, Changes, string][] = [
    ["passes what was offered, signed by the payer", {}, "passed"],
    ["takes compact signatures", { compact: true }, "passed"],
    ["takes the last deadline there may be", { task: { deadline: now + 600 } }, "passed"],
    ["takes the first deadline there may be", { task: { deadline: now + 10 } }, "passed"],
    ["takes the highest cap that a batch carries", { voucher: { cap: 2n ** 96n - 1n } }, "passed"],
    ["refuses a payload for another facilitator", { facilitator: stranger }, "task_facilitator_mismatch"],
    [
      "refuses an offer of another facilitator",
      { requirements: { extra: { facilitator: stranger } } },
      "task_facilitator_mismatch",
    ],
    ["refuses another receiver", { requirements: { payTo: stranger } }, "task_terms_mismatch payTo"],
    ["refuses another token", { requirements: { asset: stranger } }, "task_terms_mismatch asset"],
    ["refuses a ceiling below the offer", { task: { maxAmount: 999n } }, "task_terms_mismatch maxAmount"],
    ["refuses a ceiling above the offer", { task: { maxAmount: 1001n } }, "task_terms_mismatch maxAmount"],
    ["refuses a deadline too near to compute", { task: { deadline: now + 9 } }, "task_deadline_expired"],
    ["refuses a deadline too far", { task: { deadline: now + 601 } }, "task_deadline_too_far"],
    ["refuses a cap that no batch carries", { voucher: { cap: 2n ** 96n } }, "voucher_invalid"],
    ["refuses a task signed by another", { signer: key }, "invalid_task_signature"],
    ["refuses signatures for another chain", { domain: { chainId: 1n } }, "invalid_task_signature"],
    ["refuses signatures for another contract", { domain: { verifyingContract: stranger } }, "invalid_task_signature"],
    ["refuses a voucher signed by another", { signer: payer, voucherSigner: key }, "voucher_invalid"],
    ["refuses a voucher for another chain", { voucherDomain: { chainId: 1n } }, "voucher_invalid"],
    ["refuses a voucher for another contract", { voucherDomain: { verifyingContract: stranger } }, "voucher_invalid"],
    ["refuses a voucher for another facilitator", { voucher: { facilitator: stranger } }, "voucher_invalid"],
    ["refuses a voucher of another payer", { voucher: { payer: stranger } }, "voucher_invalid"],
  ];
  for (const [title, changes, expected] of cases) {
    it(title, async () => {
      expect(await verdict(changes)).to.equal(expected);
    });
  }

  describe("where another key signs for the account", () => {
    const replaced = { current: key.address, previous: payer.address };
    // The task's deadline, its settle window, and a quarter of the withdrawal's delay.
    const settledBy = now + 120 + 60 + 240;

    it("takes that key's word and not the payer's", async () => {
      expect(await verdict({ signer: key }, replaced)).to.equal("passed");
      expect(await verdict({}, replaced)).to.equal("invalid_task_signature");
    });

    it("takes the replaced key's as long as the task can be settled on it", async () => {
      expect(await verdict({}, { ...replaced, previousUntil: settledBy })).to.equal("passed");
      expect(await verdict({}, { ...replaced, previousUntil: settledBy - 1 })).to.equal("invalid_task_signature");
    });

    it("takes a voucher of either with a task of either", async () => {
      const facts = { ...replaced, previousUntil: settledBy };
      expect(await verdict({ signer: payer, voucherSigner: key }, facts)).to.equal("passed");
      expect(await verdict({ signer: key, voucherSigner: payer }, facts)).to.equal("passed");
    });
  });
});
