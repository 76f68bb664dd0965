import { expect } from "chai";
import { id } from "ethers";
import { MAX_SETTLE_GAS, SettlementGas } from "#facilitator/merchant/settlementGas.ts";

type Payment = Parameters<SettlementGas["limitFor"]>[0];

/** What tells one way of settling from another. */
function payment(scheme: "exact" | "upto", token: string, facilitator?: string): Payment {
  const permit2Authorization = { permitted: { token: id(token) }, witness: { facilitator } };
  return { scheme, payload: { permit2Authorization } } as unknown as Payment;
}

describe("SettlementGas", () => {
  it("knows a limit once one of the same token went the same way: the most that was used and room above it", () => {
    const gas = new SettlementGas();
    const paid = payment("upto", "token", "entry");
    expect(gas.limitFor(paid)).to.equal(undefined);
    gas.learn(paid, 90_000n);
    gas.learn(paid, 100_000n);
    gas.learn(paid, 80_000n);
    expect(gas.limitFor(paid)).to.equal(170_000n);
    for (const other of [
      payment("exact", "token"),
      payment("upto", "other", "entry"),
      payment("upto", "token", "us"),
    ]) {
      expect(gas.limitFor(other)).to.equal(undefined);
    }
  });

  it("gives nobody's token more than 500,000", () => {
    expect(MAX_SETTLE_GAS).to.equal(500_000n);
    const gas = new SettlementGas();
    gas.learn(payment("exact", "greedy"), 480_000n);
    expect(gas.limitFor(payment("exact", "greedy"))).to.equal(MAX_SETTLE_GAS);
  });
});
