import { expect } from "chai";
import { memoryState } from "#client/memoryState.ts";
import { type Expense, Expenditure, type SpendingLimits } from "#client/spending.ts";
import type { ClientState } from "#client/clientState.ts";
import { OpgError } from "#protocol/errors.ts";

const noon = Date.UTC(2026, 0, 15, 12) / 1000;
const day = 86_400;
const expense: Expense = { account: "eip155:1:0x01", asset: "0x02", host: "api.test" };

describe("Expenditure", () => {
  let state: ClientState;
  let now: number;

  beforeEach(() => {
    state = memoryState();
    now = noon;
  });

  async function spend(amount: bigint, limits: SpendingLimits, to: Partial<Expense> = {}): Promise<Expenditure> {
    const expenditure = new Expenditure({ state, clock: () => now }, { ...expense, ...to }, limits);
    await expenditure.raiseTo(amount);
    return expenditure;
  }

  async function refusal(call: Promise<unknown>): Promise<OpgError> {
    const error = await call.catch((cause: unknown) => cause);
    if (error instanceof OpgError) return error;
    throw new Error("nothing was refused");
  }

  it("lets a call cost what is allowed for one, and no more", async () => {
    await spend(5n, { maxAmount: 5n });
    const error = await refusal(spend(6n, { maxAmount: 5n }));
    expect(error.code).to.equal("price_above_maximum");
    expect(error.values).to.include({ amount: 6n, maxAmount: 5n });
  });

  it("adds up a day to the last unit", async () => {
    await spend(6n, { maxPerDay: 10n });
    await spend(4n, { maxPerDay: 10n }, { host: "other.test" });
    const error = await refusal(spend(1n, { maxPerDay: 10n }));
    expect(error.code).to.equal("spending_limit_reached");
    expect(error.values).to.include({ option: "maxPerDay", spent: 10n, limit: 10n, amount: 1n });
  });

  it("adds up each host apart", async () => {
    await spend(10n, { maxPerHost: 10n });
    await spend(10n, { maxPerHost: 10n }, { host: "other.test" });
    const error = await refusal(spend(1n, { maxPerHost: 10n }));
    expect(error.values).to.include({ option: "maxPerHost", host: "api.test" });
  });

  it("counts a host whose name means something to JavaScript", async () => {
    await spend(10n, { maxPerHost: 10n }, { host: "__proto__" });
    expect((await refusal(spend(1n, { maxPerHost: 10n }, { host: "__proto__" }))).code).to.equal(
      "spending_limit_reached",
    );
  });

  it("counts tokens and payers apart", async () => {
    await spend(10n, { maxPerDay: 10n });
    await spend(10n, { maxPerDay: 10n }, { asset: "0x03" });
    await spend(10n, { maxPerDay: 10n }, { account: "eip155:2:0x01" });
  });

  it("begins anew at midnight UTC", async () => {
    await spend(10n, { maxPerDay: 10n });
    now = Date.UTC(2026, 0, 15, 23, 59, 59) / 1000;
    await refusal(spend(1n, { maxPerDay: 10n }));
    now += 1;
    await spend(10n, { maxPerDay: 10n });
  });

  it("opens no day anew for a clock that was put back", async () => {
    now = noon + day;
    await spend(10n, { maxPerDay: 10n });
    now = noon;
    await refusal(spend(1n, { maxPerDay: 10n }));
    now = noon + day;
    await refusal(spend(1n, { maxPerDay: 10n }));
  });

  it("counts signatures of which one can be used once, at the largest", async () => {
    const limits = { maxPerDay: 10n };
    const expenditure = await spend(4n, limits);
    await expenditure.raiseTo(3n);
    await expenditure.raiseTo(6n);
    await spend(4n, limits);
    await refusal(spend(1n, limits));
  });

  it("gives back what is certain not to be charged, on the same day only", async () => {
    const limits = { maxPerDay: 10n };
    const today = await spend(10n, limits);
    await today.lowerTo(3n);
    await spend(7n, limits);
    await refusal(spend(1n, limits));
    now += day;
    await spend(10n, limits);
    await today.lowerTo(0n);
    await refusal(spend(1n, limits));
  });

  it("does not count what was not signed in the end", async () => {
    const expenditure = new Expenditure({ state, clock: () => now }, expense, { maxPerDay: 10n });
    const declined = await expenditure
      .around(10n, () => Promise.reject(new Error("declined")))
      .catch((error: unknown) => error);
    expect(declined).to.be.instanceOf(Error);
    await spend(10n, { maxPerDay: 10n });
  });
});
