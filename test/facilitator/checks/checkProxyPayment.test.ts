import { expect } from "chai";
import { Signature } from "ethers";
import { checkProxyEnvelope } from "#facilitator/checks/checkProxyEnvelope.ts";
import { checkProxyPayment } from "#facilitator/checks/checkProxyPayment.ts";
import type { ProxyFacts } from "#facilitator/checks/proxyPayment.ts";
import type { ErrorCode } from "#protocol/errors.ts";
import { proxyAddresses, type ProxyScheme, proxySchemes } from "#protocol/proxyPayment.ts";
import { facts, makeProxyPayment, now, type ProxyChanges, stranger, terms, token } from "./makeProxyPayment.ts";

async function check(scheme: ProxyScheme, changes: ProxyChanges = {}, differing: Partial<ProxyFacts> = {}) {
  return checkProxyPayment(await makeProxyPayment(scheme, changes), terms, { ...facts, ...differing }, now);
}

/** One fault each, in the order in which payers hear about them. */
const faults: readonly (readonly [string, ErrorCode, ProxyChanges, Partial<ProxyFacts>])[] = [
  ["another spender", "invalid_permit2_spender", { authorization: { spender: stranger } }, {}],
  ["another recipient", "invalid_permit2_recipient_mismatch", { witness: { to: stranger } }, {}],
  ["6 seconds are not left", "permit2_deadline_expired", { authorization: { deadline: BigInt(now + 5) } }, {}],
  ["a beginning in the future", "permit2_not_yet_valid", { witness: { validAfter: BigInt(now + 1) } }, {}],
  ["a lower amount", "permit2_amount_mismatch", { authorization: { permitted: { token, amount: 999n } } }, {}],
  ["a higher amount", "permit2_amount_mismatch", { authorization: { permitted: { token, amount: 1001n } } }, {}],
  ["another token", "permit2_token_mismatch", { authorization: { permitted: { token: stranger, amount: 1000n } } }, {}],
  ["no contract at the token", "asset_not_deployed_contract", {}, { tokenHasCode: false }],
  ["another chain's signature", "invalid_permit2_signature", { chainId: 1n }, {}],
  ["a payer who did not sign", "invalid_permit2_signature", { authorization: { from: stranger } }, {}],
  ["a low balance", "permit2_insufficient_balance", {}, { balance: 999n }],
  ["a balance owed already", "permit2_insufficient_balance", {}, { outstanding: 1n, allowance: 2000n }],
  ["a low allowance", "permit2_allowance_required", {}, { allowance: 999n }],
  ["an allowance owed already", "permit2_allowance_required", {}, { outstanding: 1n, balance: 2000n }],
  ["a used nonce", "permit2_invalid_nonce", {}, { nonceUsed: true }],
];

for (const scheme of proxySchemes) {
  describe(`a merchant's payment of scheme ${scheme}`, () => {
    it("passes when it pays exactly what is asked for", async () => {
      expect(await check(scheme)).to.deep.equal({ ok: true });
    });

    it("passes on the last second, and from the first", async () => {
      const times = { authorization: { deadline: BigInt(now + 6) }, witness: { validAfter: BigInt(now) } };
      expect(await check(scheme, times)).to.deep.equal({ ok: true });
    });

    for (const [what, code, changes, differing] of faults) {
      it(`is refused for ${what}: ${code}`, async () => {
        expect(await check(scheme, changes, differing)).to.include({ ok: false, code });
      });
    }

    it("names the first of several faults", async () => {
      for (let first = 0; first < faults.length; first++) {
        const rest = faults.slice(first).filter(([, code], index, all) => all[index - 1]?.[1] !== code);
        const merged = rest.reduceRight<ProxyChanges>(
          (sum, [, , { authorization, witness, chainId }]) => ({
            authorization: { ...sum.authorization, ...authorization },
            witness: { ...sum.witness, ...witness },
            ...(chainId === undefined ? (sum.chainId === undefined ? {} : { chainId: sum.chainId }) : { chainId }),
          }),
          {},
        );
        const differing = Object.assign({}, ...rest.map(([, , , part]) => part).reverse()) as Partial<ProxyFacts>;
        expect(await check(scheme, merged, differing)).to.include({ code: faults[first]?.[1] });
      }
    });

    it("takes EIP-2098's short signature, and neither a high s nor v as 0 or 1", async () => {
      const { signature } = await makeProxyPayment(scheme);
      const { r, s, v, compactSerialized } = Signature.from(signature);
      expect(await check(scheme, { payment: { signature: compactSerialized } })).to.deep.equal({ ok: true });
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
      const highS = (order - BigInt(s)).toString(16).padStart(64, "0");
      const malleable = `${r}${highS}${v === 27 ? "1c" : "1b"}`;
      const oldV = `${signature.slice(0, -2)}0${v - 27}`;
      for (const wrong of [malleable, oldV, "0x", `${signature}00`]) {
        expect(await check(scheme, { payment: { signature: wrong } })).to.include({
          code: "invalid_permit2_signature",
        });
      }
    });

    it("asks a payer who has code for its word, and only that", async () => {
      const signedByKey = { payerHasCode: true, contractAcceptsSignature: false };
      expect(await check(scheme, {}, signedByKey)).to.include({ code: "invalid_permit2_signature" });
      const accepted = { payerHasCode: true, contractAcceptsSignature: true };
      expect(await check(scheme, { payment: { signature: "0x" } }, accepted)).to.deep.equal({ ok: true });
    });

    it("is refused when it pays TaskEscrow, whose money belongs to tasks", async () => {
      const { requirements } = await makeProxyPayment(scheme);
      const toTasks = {
        witness: { to: terms.taskEscrow },
        payment: { requirements: { ...requirements, payTo: terms.taskEscrow } },
      };
      expect(await check(scheme, toTasks)).to.include({ code: "invalid_permit2_recipient_mismatch" });
    });

    it("is refused when it pays nothing", async () => {
      const { requirements } = await makeProxyPayment(scheme);
      const nothing = {
        authorization: { permitted: { token, amount: 0n } },
        payment: { requirements: { ...requirements, amount: 0n } },
      };
      expect(await check(scheme, nothing)).to.include({ code: "permit2_invalid_amount" });
    });

    it("is refused when it was signed for the other scheme's proxy", async () => {
      const other = scheme === "exact" ? "upto" : "exact";
      expect(await check(scheme, { authorization: { spender: proxyAddresses[other] } })).to.include({
        code: "invalid_permit2_spender",
      });
    });
  });
}

describe("the facilitator of an upto payment", () => {
  it("is our entry or our signer", async () => {
    expect(await check("upto", { witness: { facilitator: terms.facilitator } })).to.deep.equal({ ok: true });
    expect(await check("upto", { witness: { facilitator: terms.entry } })).to.deep.equal({ ok: true });
  });

  it("is nobody else, which is said after the recipient and before the deadline", async () => {
    const late = { authorization: { deadline: 0n }, witness: { facilitator: stranger } };
    expect(await check("upto", late)).to.include({ code: "upto_facilitator_mismatch" });
    const toStranger = { witness: { facilitator: stranger, to: stranger } };
    expect(await check("upto", toStranger)).to.include({ code: "invalid_permit2_recipient_mismatch" });
  });
});

describe("the envelope of a merchant's payment", () => {
  const { network } = terms;
  const envelope = (asked: string, paid: string, networks = [network, network], x402Version = 2) => ({
    ...{ x402Version, schemes: [asked, paid], networks },
  });

  it("passes for the two schemes on our network", () => {
    for (const scheme of proxySchemes) {
      expect(checkProxyEnvelope(envelope(scheme, scheme), terms)).to.deep.equal({ ok: true });
    }
  });

  const refusals: readonly (readonly [string, ReturnType<typeof envelope>, ErrorCode])[] = [
    ["upto asked for and exact paid", envelope("upto", "exact"), "invalid_upto_evm_scheme"],
    ["exact asked for and upto paid", envelope("exact", "upto"), "unsupported_payload_type"],
    ["upto paid and something unknown asked for", envelope("other", "upto"), "invalid_upto_evm_scheme"],
    ["something unknown", envelope("other", "other"), "unsupported_scheme"],
    ["a task, which is paid at POST /tasks", envelope("task", "task"), "unsupported_scheme"],
    [
      "exact on another network",
      envelope("exact", "exact", [network, "eip155:1"]),
      "invalid_exact_evm_network_mismatch",
    ],
    ["upto on another network", envelope("upto", "upto", ["eip155:1", network]), "invalid_upto_evm_network_mismatch"],
    [
      "both on another network",
      envelope("upto", "upto", ["eip155:1", "eip155:1"]),
      "invalid_upto_evm_network_mismatch",
    ],
    ["version 1", envelope("exact", "exact", [network, network], 1), "invalid_x402_version"],
    ["scheme before network", envelope("upto", "exact", ["eip155:1", "eip155:1"]), "invalid_upto_evm_scheme"],
  ];
  for (const [what, given, code] of refusals) {
    it(`is refused for ${what}: ${code}`, () => {
      expect(checkProxyEnvelope(given, terms)).to.include({ ok: false, code });
    });
  }
});
