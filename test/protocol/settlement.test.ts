import { expect } from "chai";
import fc from "fast-check";
import { meterCharge } from "#protocol/meter.ts";
import { splitCharge } from "#protocol/settlement.ts";

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

describe("meterCharge", () => {
  it("is base plus a price per byte of input and of output", () => {
    const meter = { base: 1_000n, perInputByte: 3n, perOutputByte: 5n };
    expect(meterCharge(meter, 10n, 100n)).to.equal(1_530n);
    expect(meterCharge(meter, 0n, 0n)).to.equal(1_000n);
  });
});
