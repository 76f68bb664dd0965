import { expect } from "chai";
import { checkProxyPayment } from "#facilitator/checks/checkProxyPayment.ts";
import type { ProxyFacts, ProxyPayment } from "#facilitator/checks/proxyPayment.ts";
import type { ErrorCode } from "#protocol/errors.ts";
import type { AllowancePermit } from "#protocol/gasSponsoring.ts";
import { facts, makePermit, makeProxyPayment, now, stranger, terms } from "./makeProxyPayment.ts";

async function check(permit: ProxyPayment["permit"], differing: Partial<ProxyFacts> = {}) {
  const payment = await makeProxyPayment("upto", { payment: { permit } });
  return checkProxyPayment(payment, terms, { ...facts, allowance: 0n, ...differing }, now);
}

describe("a sponsored permit", () => {
  it("stands in for an allowance", async () => {
    expect(await check("absent")).to.include({ code: "permit2_allowance_required" });
    expect(await check(await makePermit())).to.deep.equal({ ok: true });
    expect(await check(await makePermit({ deadline: BigInt(now + 6), amount: 2n ** 256n - 1n }))).to.deep.equal({
      ok: true,
    });
  });

  const refusals: readonly (readonly [string, ErrorCode, Partial<AllowancePermit>])[] = [
    ["another owner", "eip2612_from_mismatch", { from: stranger }],
    ["another token", "eip2612_asset_mismatch", { asset: stranger }],
    ["another spender", "eip2612_spender_not_permit2", { spender: stranger }],
    ["an end within 6 seconds", "eip2612_deadline_expired", { deadline: BigInt(now + 5) }],
    ["less than the payment", "permit2_2612_amount_mismatch", { amount: 999n }],
  ];
  for (const [what, code, change] of refusals) {
    it(`is refused for ${what}, even where the allowance suffices: ${code}`, async () => {
      const permit = await makePermit(change);
      expect(await check(permit)).to.include({ code });
      expect(await check(permit, { allowance: 1000n })).to.include({ code });
    });
  }

  it("is refused when it cannot be read", async () => {
    expect(await check("malformed")).to.include({ code: "invalid_eip2612_extension_format" });
  });

  it("names the first of several faults", async () => {
    for (let first = 0; first < refusals.length; first++) {
      const rest = refusals.slice(first).map(([, , change]) => change);
      expect(await check(await makePermit(Object.assign({}, ...rest) as object))).to.include({
        code: refusals[first]?.[1],
      });
    }
  });

  const untaken: readonly (readonly [string, Partial<AllowancePermit>, Partial<ProxyFacts>])[] = [
    ["a used nonce", { nonce: 4n }, {}],
    ["a nonce ahead", { nonce: 6n }, {}],
    ["a signature over something else", { signature: `0x${"11".repeat(64)}1b` }, {}],
    ["no signature", { signature: "0x" }, {}],
    ["another domain", {}, { permits: { nonce: 5n, domainSeparator: `0x${"22".repeat(32)}` } }],
  ];
  for (const [what, change, differing] of untaken) {
    it(`is no allowance with ${what}; the answer names the nonce to sign with`, async () => {
      const permit = await makePermit(change);
      const refusal = await check(permit, differing);
      expect(refusal).to.include({ code: "permit2_allowance_required" });
      expect(refusal).to.have.nested.property("values.permitNonce", 5n);
      expect(await check(permit, { ...differing, allowance: 1000n })).to.deep.equal({ ok: true });
    });
  }

  it("is no allowance at a token without permits", async () => {
    const without: ProxyFacts = { ...facts, allowance: 0n };
    delete without.permits;
    const payment = await makeProxyPayment("upto", { payment: { permit: await makePermit() } });
    const refusal = checkProxyPayment(payment, terms, without, now);
    expect(refusal).to.include({ code: "permit2_allowance_required" });
    expect(refusal).not.to.have.nested.property("values.permitNonce");
  });

  it("replaces the allowance, so it has to cover what is owed already", async () => {
    const owing = { outstanding: 500n, balance: 1500n, allowance: 1200n };
    expect(await check(await makePermit({ amount: 1499n }), owing)).to.include({
      code: "permit2_2612_amount_mismatch",
    });
    expect(await check(await makePermit({ amount: 1500n }), owing)).to.deep.equal({ ok: true });
  });

  it("is looked at after the signature and before the balance", async () => {
    expect(await check("malformed", { tokenHasCode: false })).to.include({ code: "asset_not_deployed_contract" });
    expect(await check("malformed", { balance: 0n })).to.include({ code: "invalid_eip2612_extension_format" });
  });
});
