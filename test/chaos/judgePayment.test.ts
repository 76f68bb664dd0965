import { expect } from "chai";
import type { Movement, PaymentBook } from "#scripts/chaos/books.ts";
import { drawPlan } from "#scripts/chaos/drawPlan.ts";
import { hasEnded, judgePayment } from "#scripts/chaos/judgePayment.ts";
import type { MerchantPayment, Told } from "#scripts/chaos/merchantPayment.ts";

const payee = `0x${"aa".repeat(20)}`;
const transaction = `0x${"01".repeat(32)}`;

const [plan] = drawPlan(1).payments;
if (!plan) throw new Error("a plan has payments");

const payment = (told: Partial<Told>[], unanswered: string[] = []): MerchantPayment => ({
  ...{ plan, payee, nonce: 1n, deadline: 1_000, due: 700n, bodies: { verify: "", settle: "" }, unanswered },
  payer: `0x${"bb".repeat(20)}`,
  digest: `0x${"cc".repeat(32)}`,
  told: told.map((one) => ({ call: "settle", replica: 0, at: 900, success: true, ...one })),
});
const settled: PaymentBook = { state: "settled", transaction, isExposed: false, onTheirWay: 0 };
const open: PaymentBook = { state: "claimed", isExposed: true, onTheirWay: 0 };
const failed: PaymentBook = { state: "failed", reason: "permit2_deadline_expired", isExposed: false, onTheirWay: 0 };
const paid: Movement = { to: payee, amount: 700n, transaction };
const valid: Partial<Told> = { call: "verify" };

const kinds = (...given: Parameters<typeof judgePayment>): string[] => judgePayment(...given).map(({ kind }) => kind);

describe("judgePayment", () => {
  it("finds nothing where the payee got what was due and everybody says so", () => {
    expect(judgePayment(payment([valid, {}]), settled, [paid])).to.deep.equal([]);
  });

  it("finds nothing where a payment lapsed and nothing moved", () => {
    const lapsed = { state: "lapsed", isExposed: false, onTheirWay: 0 };
    expect(judgePayment(payment([valid]), lapsed, [])).to.deep.equal([]);
  });

  it("finds a second transfer", () => {
    expect(kinds(payment([{}]), settled, [paid, paid])).to.deep.equal(["doubled"]);
  });

  it("finds more, less and elsewhere than was due", () => {
    expect(kinds(payment([{}]), settled, [{ ...paid, amount: 701n }])).to.deep.equal(["doubled"]);
    expect(kinds(payment([{}]), settled, [{ ...paid, amount: 699n }])).to.deep.equal(["lost"]);
    expect(kinds(payment([{}]), settled, [{ ...paid, to: `0x${"dd".repeat(20)}` }])).to.deep.equal(["lost"]);
  });

  it("finds a success that moved nothing, in the books and in what was told", () => {
    expect(kinds(payment([{}]), settled, [])).to.deep.equal(["lost", "lost"]);
  });

  it("finds a failure whose money moved, in the books and in what was told", () => {
    const told = { success: false, reason: "permit2_deadline_expired", at: 1_001 };
    expect(kinds(payment([valid, told]), failed, [paid])).to.deep.equal(["lost", "lost"]);
  });

  it("finds a refusal in time of what was valid, and none of what came too late", () => {
    const told = { success: false, reason: "permit2_deadline_expired" };
    expect(kinds(payment([valid, { ...told, at: 999 }]), failed, [])).to.deep.equal(["lost"]);
    expect(kinds(payment([valid, { ...told, at: 1_001 }]), failed, [])).to.deep.equal([]);
  });

  it("finds a payment that two were told is valid", () => {
    expect(kinds(payment([valid, valid, {}]), settled, [paid])).to.deep.equal(["doubled"]);
  });

  it("finds what has no end: a state, a claim, a transaction, a call", () => {
    expect(kinds(payment([valid]), open, [])).to.deep.equal(["unresolved"]);
    expect(kinds(payment([{}]), { ...settled, isExposed: true }, [paid])).to.deep.equal(["unresolved"]);
    expect(kinds(payment([{}]), { ...settled, onTheirWay: 1 }, [paid])).to.deep.equal(["unresolved"]);
    expect(kinds(payment([{}], ["settle got no answer"]), settled, [paid])).to.deep.equal(["unresolved"]);
    expect([open, { ...settled, onTheirWay: 1 }, settled].map(hasEnded)).to.deep.equal([false, false, true]);
  });
});

describe("drawPlan", () => {
  it("draws the same trial from the same seed, and another from another", () => {
    expect(drawPlan(7)).to.deep.equal(drawPlan(7));
    expect(drawPlan(7)).to.not.deep.equal(drawPlan(8));
  });

  it("draws every kind of fault", () => {
    const kindsOf = (seed: number): string[] => drawPlan(seed).faults.map(({ kind }) => kind);
    const drawn = new Set(Array.from({ length: 100 }, (_, seed) => kindsOf(seed)).flat());
    expect([...drawn].sort()).to.deep.equal(["chain", "clock", "database", "kill", "race", "reorg"]);
  });
});
