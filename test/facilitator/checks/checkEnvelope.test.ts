import { expect } from "chai";
import { checkEnvelope } from "#facilitator/checks/checkEnvelope.ts";
import { terms } from "./makePayment.ts";

const envelope = { x402Version: 2, schemes: ["task", "task"], networks: [terms.network, terms.network] };

describe("checkEnvelope", () => {
  for (const scheme of ["task", "upto"]) {
    it(`passes version 2, scheme ${scheme} and the own network`, () => {
      expect(checkEnvelope({ ...envelope, schemes: [scheme, scheme] }, terms)).to.deep.equal({ ok: true });
    });
  }

  for (const x402Version of [0, 1, 3]) {
    it(`refuses x402 version ${x402Version}`, () => {
      const result = checkEnvelope({ ...envelope, x402Version }, terms);
      expect(result).to.deep.include({ ok: false, code: "invalid_x402_version", values: { x402Version } });
    });
  }

  for (const schemes of [
    ["exact", "exact"],
    ["task", "upto"],
    ["upto", "task"],
  ]) {
    it(`refuses schemes ${schemes.join(" and ")}`, () => {
      expect(checkEnvelope({ ...envelope, schemes }, terms)).to.include({ ok: false, code: "unsupported_scheme" });
    });
  }

  it("refuses another network wherever it is named", () => {
    for (const networks of [
      ["eip155:1", terms.network],
      [terms.network, "eip155:1"],
    ]) {
      const result = checkEnvelope({ ...envelope, networks }, terms);
      const values = { have: "eip155:1", need: terms.network };
      expect(result).to.deep.include({ ok: false, code: "invalid_network", values });
    }
  });

  it("speaks of the version before the scheme, and of the scheme before the network", () => {
    const wrong = { x402Version: 1, schemes: ["exact"], networks: ["eip155:1"] };
    expect(checkEnvelope(wrong, terms)).to.include({ code: "invalid_x402_version" });
    expect(checkEnvelope({ ...wrong, x402Version: 2 }, terms)).to.include({ code: "unsupported_scheme" });
  });
});
