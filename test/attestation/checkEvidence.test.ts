import { expect } from "chai";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { computeAddress, id, SigningKey } from "ethers";
import { checkEvidence, type EvidenceExpectations } from "#attestation/checkEvidence.ts";
import { developmentMeasurement, makeDevelopmentEvidence } from "#attestation/development.ts";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { challengeNonce, identityBinding } from "#protocol/admission.ts";
import { OpgError } from "#protocol/errors.ts";

const now = 1_900_000_000;
const root = new SigningKey(id("development root"));
const enclaveKey = new SigningKey(id("enclave"));
const registry = { chainId: 31_337n, verifyingContract: "0x00000000000000000000000000000000000000a1" };
const identity = {
  tlsKeyHash: id("tls"),
  hpkeKeyHash: id("hpke"),
  operator: "0x00000000000000000000000000000000000000b2",
  payout: "0x00000000000000000000000000000000000000c3",
};
const verifiers = ["0x00000000000000000000000000000000000000e5", "0x00000000000000000000000000000000000000d6"];
const challenges = [id("challenge 1"), id("challenge 2"), id("challenge 3")];
const measurement = developmentMeasurement(id("profile"));
const statement = {
  measurement,
  publicKey: enclaveKey.publicKey,
  userData: identityBinding(identity, registry, verifiers),
  nonce: challengeNonce(registry, id("block"), challenges),
  timestamp: now - 10,
};
const expected: EvidenceExpectations = {
  nonce: statement.nonce,
  binding: statement.userData,
  node: computeAddress(enclaveKey.publicKey),
  now,
  roots: { development: computeAddress(root.publicKey) },
  approvedMeasurement: (candidate) => candidate === measurement,
};
const document = makeDevelopmentEvidence(root, statement);

describe("checkEvidence", () => {
  it("tells what the platform stated", async () => {
    expect(await checkEvidence(document, expected)).to.deep.equal({ kind: "development", ...statement });
  });

  it("refuses a document with any byte changed", async () => {
    for (let position = 0; position < document.length; position++) {
      for (const mask of [0x01, 0x20, 0x80, 0xff]) {
        const mutant = Uint8Array.from(document);
        mutant[position] = (mutant[position] ?? 0) ^ mask;
        await expectRefusal(mutant, expected, undefined, `byte ${position} xor ${mask}`);
      }
    }
  });

  it("refuses every other spelling of the recovery byte", async () => {
    const signature = contentOf(document)["signature"] as Uint8Array;
    const position = Buffer.from(document).indexOf(signature) + signature.length - 1;
    for (let value = 0; value < 256; value++) {
      if (value === document[position]) continue;
      const mutant = Uint8Array.from(document);
      mutant[position] = value;
      await expectRefusal(mutant, expected);
    }
  });

  it("refuses a document cut short anywhere or extended", async () => {
    for (let length = 0; length < document.length; length++) {
      await expectRefusal(document.subarray(0, length), expected, "malformed");
    }
    await expectRefusal(Uint8Array.from([...document, 0]), expected, "malformed");
    await expectRefusal(new Uint8Array(30_001), expected, "malformed");
  });

  it("refuses the same content in another encoding", async () => {
    const content = contentOf(document);
    const reversed = Object.fromEntries(Object.entries(content).reverse());
    const unsorted = encode(reversed, { mapSorter: () => 0 });
    expect(unsorted.length).to.equal(document.length);
    await expectRefusal(unsorted, expected, "malformed");

    const indefinite = Uint8Array.from([0xbf, ...document.subarray(1), 0xff]);
    await expectRefusal(indefinite, expected, "malformed");

    const longHead = Uint8Array.from([0xb8, 0x08, ...document.subarray(1)]);
    expect(document[0]).to.equal(0xa8);
    await expectRefusal(longHead, expected, "malformed");
  });

  it("refuses what is no development document", async () => {
    await expectRefusal(encode({ ...contentOf(document), kind: "nitro" }), expected, "unknown_kind");
    await expectRefusal(encode([1, 2, 3]), expected, "unknown_kind");
    await expectRefusal(encode(null), expected, "unknown_kind");
    await expectRefusal(deterministic({ ...contentOf(document), extra: 1 }), expected, "malformed");
    await expectRefusal(deterministic({ ...contentOf(document), version: 2 }), expected, "malformed");
    await expectRefusal(deterministic({ ...contentOf(document), nonce: "text" }), expected, "malformed");
  });

  it("refuses another root, and any root where the network names none", async () => {
    const otherRoot = new SigningKey(id("other root"));
    await expectRefusal(makeDevelopmentEvidence(otherRoot, statement), expected, "wrong_root");
    await expectRefusal(document, { ...expected, roots: {} }, "kind_not_allowed");
  });

  it("accepts evidence from 300 seconds old to 60 seconds ahead, and no other", async () => {
    await checkEvidence(document, { ...expected, now: statement.timestamp + 300 });
    await expectRefusal(document, { ...expected, now: statement.timestamp + 301 }, "stale");
    await checkEvidence(document, { ...expected, now: statement.timestamp - 60 });
    await expectRefusal(document, { ...expected, now: statement.timestamp - 61 }, "from_the_future");
  });

  it("refuses an answer to another challenge", async () => {
    const otherBlock = challengeNonce(registry, id("other block"), challenges);
    const fewer = challengeNonce(registry, id("block"), challenges.slice(1));
    await expectRefusal(document, { ...expected, nonce: otherBlock }, "wrong_nonce");
    await expectRefusal(document, { ...expected, nonce: fewer }, "wrong_nonce");
  });

  it("refuses evidence that was copied to another operator, payout, key, chain, registry or list of verifiers", async () => {
    const other = "0x00000000000000000000000000000000000000d4";
    const bindings = [
      identityBinding({ ...identity, operator: other }, registry, verifiers),
      identityBinding({ ...identity, payout: other }, registry, verifiers),
      identityBinding({ ...identity, tlsKeyHash: id("other") }, registry, verifiers),
      identityBinding({ ...identity, hpkeKeyHash: id("other") }, registry, verifiers),
      identityBinding(identity, { ...registry, chainId: 1n }, verifiers),
      identityBinding(identity, { ...registry, verifyingContract: other }, verifiers),
      identityBinding(identity, registry, [...verifiers, other]),
      identityBinding(identity, registry, verifiers.slice(1)),
    ];
    for (const binding of bindings) await expectRefusal(document, { ...expected, binding }, "wrong_binding");
  });

  it("takes the verifiers in whatever order they are listed", () => {
    expect(identityBinding(identity, registry, [...verifiers].reverse())).to.equal(expected.binding);
  });

  it("refuses evidence for another signing key", async () => {
    const node = computeAddress(new SigningKey(id("another enclave")).publicKey);
    await expectRefusal(document, { ...expected, node }, "wrong_key");
    const noKey = makeDevelopmentEvidence(root, { ...statement, publicKey: `0x04${"00".repeat(64)}` });
    await expectRefusal(noKey, expected, "wrong_key");
  });

  it("refuses code that is not approved", async () => {
    const approvedMeasurement = () => Promise.resolve(false);
    await expectRefusal(document, { ...expected, approvedMeasurement }, "measurement_not_approved");
  });
});

async function expectRefusal(
  bytes: Uint8Array,
  expectations: EvidenceExpectations,
  reason?: EvidenceRefusal,
  label = reason ?? "refused",
): Promise<void> {
  const error: unknown = await checkEvidence(bytes, expectations).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OpgError)) throw new Error(`${label}: not refused`, { cause: error });
  expect(error.code, label).to.equal("evidence_refused");
  if (reason) expect(error.values["reason"], label).to.equal(reason);
}

function contentOf(bytes: Uint8Array): Record<string, unknown> {
  return decode(bytes) as Record<string, unknown>;
}

function deterministic(content: unknown): Uint8Array {
  return encode(content, rfc8949EncodeOptions);
}
