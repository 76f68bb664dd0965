import { expect } from "chai";
import { id, ZeroAddress } from "ethers";
import type { Result } from "#protocol/result.ts";
import { checkResult, MAX_CLOCK_SKEW_SECONDS, type OwnWork, type ResultCheck } from "#verifier/checkResult.ts";

const payout = "0x00000000000000000000000000000000000000C3";
const releasedAt = 1_900_000_000;
const deadline = releasedAt + 300;
const response = id("response");
const own: OwnWork = {
  task: {
    payer: ZeroAddress,
    node: ZeroAddress,
    model: id("model"),
    request: id("request"),
    policy: 0,
    maxAmount: 500n,
    deadline,
    nonce: 0n,
  },
  answers: [{ response, charge: 400n }],
  releasedAt,
  committedAt: releasedAt + 5,
};
const honest: Result = {
  taskId: id("task"),
  response,
  payout,
  amount: 400n,
  completedAt: releasedAt + 4,
};

/** Checks the honest result with changes; it is shown at `now`, 6 seconds after the release unless said otherwise. */
function check(changes: Partial<Result> = {}, ownChanges: Partial<OwnWork> = {}, now = releasedAt + 6): ResultCheck {
  return checkResult({ ...honest, ...changes }, { ...own, ...ownChanges }, { payout }, now);
}

const ok = { ok: true };
const refused = (reason: string) => ({ ok: false, reason });

describe("checkResult", () => {
  it("agrees with a result that equals the own answer", () => {
    expect(check()).to.deep.equal(ok);
  });

  it("refuses a response, charge or payout that differs in anything", () => {
    expect(check({ response: id("other") })).to.deep.equal(refused("response_mismatch"));
    for (const amount of [399n, 401n, 0n]) expect(check({ amount })).to.deep.equal(refused("charge_mismatch"));
    expect(check({ payout: ZeroAddress })).to.deep.equal(refused("payout_mismatch"));
  });

  it("takes a charge up to the ceiling", () => {
    const task = (maxAmount: bigint) => ({ task: { ...own.task, maxAmount } });
    expect(check({}, task(400n))).to.deep.equal(ok);
    expect(check({}, task(399n))).to.deep.equal(refused("charge_mismatch"));
  });

  it("names the first thing that is wrong: response, charge, payout, time", () => {
    const all = { response: id("other"), amount: 1n, payout: ZeroAddress, completedAt: deadline + 1 };
    expect(check(all)).to.deep.equal(refused("response_mismatch"));
    expect(check({ ...all, response })).to.deep.equal(refused("charge_mismatch"));
    expect(check({ payout: ZeroAddress, completedAt: deadline + 1 })).to.deep.equal(refused("payout_mismatch"));
  });

  it("takes completion up to the deadline, within a minute of release and own clock", () => {
    const skew = MAX_CLOCK_SKEW_SECONDS;
    expect(check({ completedAt: deadline }, {}, deadline)).to.deep.equal(ok);
    expect(check({ completedAt: deadline + 1 }, {}, deadline + 1)).to.deep.equal(refused("completed_late"));
    expect(check({ completedAt: releasedAt - skew })).to.deep.equal(ok);
    expect(check({ completedAt: releasedAt - skew - 1 })).to.deep.equal(refused("completed_at_implausible"));
    expect(check({ completedAt: releasedAt + 6 + skew })).to.deep.equal(ok);
    expect(check({ completedAt: releasedAt + 7 + skew })).to.deep.equal(refused("completed_at_implausible"));
  });

  it("does not believe a completion in time that is shown more than a minute after the deadline", () => {
    const completedAt = deadline;
    expect(check({ completedAt }, {}, deadline + MAX_CLOCK_SKEW_SECONDS)).to.deep.equal(ok);
    expect(check({ completedAt }, {}, deadline + MAX_CLOCK_SKEW_SECONDS + 1)).to.deep.equal(refused("completed_late"));
  });

  it("does not hold the time that it took to commit against the node", () => {
    const committedAt = deadline + 100;
    expect(check({}, { committedAt }, committedAt + MAX_CLOCK_SKEW_SECONDS)).to.deep.equal(ok);
    expect(check({}, { committedAt }, committedAt + MAX_CLOCK_SKEW_SECONDS + 1)).to.deep.equal(
      refused("completed_late"),
    );
  });
});
