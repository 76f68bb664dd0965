import { expect } from "chai";
import fc from "fast-check";
import { meterCharge } from "#protocol/meter.ts";
import { policyOf, splitCharge } from "#protocol/settlement.ts";

describe("splitCharge", () => {
  it("gives 85 %, 10 % and 5 % by default", () => {
    expect(splitCharge(10_000n, { verifierBps: 1_000n, treasuryBps: 500n })).to.deep.equal({
      node: 8_500n,
      verifiers: 1_000n,
      treasury: 500n,
    });
  });

  it("gives the rounding remainder to the treasury", () => {
    expect(splitCharge(19n, { verifierBps: 1_000n, treasuryBps: 500n })).to.deep.equal({
      node: 16n,
      verifiers: 1n,
      treasury: 2n,
    });
  });

  it("adds up to the charge for every charge and every policy", () => {
    const policy = fc.record({ verifierBps: fc.bigInt(0n, 2_000n), treasuryBps: fc.bigInt(0n, 1_000n) });
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 128n - 1n), policy, (charge, fees) => {
        const { node, verifiers, treasury } = splitCharge(charge, fees);
        return node + verifiers + treasury === charge && node >= 0n && verifiers >= 0n && treasury >= 0n;
      }),
    );
  });
});

describe("policyOf", () => {
  it("finds the policy again by which a charge of some size was divided", () => {
    const policy = fc.record({ verifierBps: fc.bigInt(0n, 2_000n), treasuryBps: fc.bigInt(0n, 1_000n) });
    fc.assert(
      fc.property(fc.bigInt(10_000n, 2n ** 96n - 1n), policy, (charge, fees) => {
        const found = policyOf(splitCharge(charge, fees));
        return found.verifierBps === fees.verifierBps && found.treasuryBps === fees.treasuryBps;
      }),
    );
  });

  it("finds one that adds up for any", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 9_999n), (charge) => {
        const { verifierBps, treasuryBps } = policyOf(splitCharge(charge, { verifierBps: 1_000n, treasuryBps: 500n }));
        const { node, verifiers, treasury } = splitCharge(charge, { verifierBps, treasuryBps });
        return verifierBps >= 0n && treasuryBps >= 0n && node + verifiers + treasury === charge;
      }),
    );
  });
});

describe("meterCharge", () => {
  it("is base plus a price per byte of input and of output", () => {
    const meter = { base: 1_000n, perInputByte: 3n, perOutputByte: 5n };
    expect(meterCharge(meter, 10n, 100n)).to.equal(1_530n);
    expect(meterCharge(meter, 0n, 0n)).to.equal(1_000n);
  });
});
