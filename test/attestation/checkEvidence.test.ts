import { expect } from "chai";
import { encode, rfc8949EncodeOptions } from "cborg";
import { computeAddress, id, SigningKey } from "ethers";
import { checkEvidence, type EvidenceExpectations } from "#attestation/checkEvidence.ts";
import { createSimulatedPlatform, makeSimulatedRoot } from "#attestation/nitro/simulated.ts";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { profileDigest } from "#execution/profile.ts";
import { challengeNonce, identityBinding } from "#protocol/admission.ts";
import { OpgError } from "#protocol/errors.ts";
import { testEvidenceRoots, testPlatform } from "./testRoot.ts";

const now = 1_900_000_000;
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
const timestamp = now - 10;
const platform = testPlatform(() => timestamp);
const claims = {
  publicKey: enclaveKey.publicKey,
  userData: identityBinding(identity, registry, verifiers),
  nonce: challengeNonce(registry, id("block"), challenges),
};
const expected: EvidenceExpectations = {
  nonce: claims.nonce,
  binding: claims.userData,
  node: computeAddress(enclaveKey.publicKey),
  now,
  roots: testEvidenceRoots,
  approvedMeasurement: (candidate) => candidate === platform.measurement,
};

describe("checkEvidence", () => {
  let document: Uint8Array;

  before(async () => {
    document = await platform.attest(claims);
  });

  it("tells what the platform stated", async () => {
    const { measurement } = platform;
    const evidence = await checkEvidence(document, expected);
    expect(evidence).to.include({ kind: "simulated", measurement, timestamp, ...claims });
  });

  it("refuses a document with any byte changed", async () => {
    const masks = [0x01, 0x20, 0x80, 0xff];
    for (let position = 0; position < document.length; position++) {
      const mutant = Uint8Array.from(document);
      const mask = masks[position % masks.length] ?? 1;
      mutant[position] = (mutant[position] ?? 0) ^ mask;
      await expectRefusal(mutant, expected, undefined, `byte ${position} xor ${mask}`);
    }
  }).timeout(60_000);

  it("refuses a document cut short anywhere or extended", async () => {
    for (let length = 0; length < document.length; length++) {
      await expectRefusal(document.subarray(0, length), expected, undefined, `${length} bytes`);
    }
    await expectRefusal(Uint8Array.from([...document, 0]), expected, "malformed");
  });

  it("refuses what is of no kind that it knows", async () => {
    for (const content of [{ kind: "nitro" }, { kind: "development" }, {}, [1, 2, 3], null, "text"]) {
      await expectRefusal(encode(content, rfc8949EncodeOptions), expected, "unknown_kind");
    }
    await expectRefusal(new Uint8Array(), expected, "malformed");
    await expectRefusal(new Uint8Array(30_001), expected, "malformed");
    // Not the shortest head, so there would be a second encoding of the same.
    await expectRefusal(Uint8Array.from([0xb8, 0x00]), expected, "malformed");
  });

  it("refuses another root, and any root where the network names none", async () => {
    const root = await makeSimulatedRoot(now);
    const foreign = createSimulatedPlatform({ root, profile: profileDigest, clock: () => timestamp });
    await expectRefusal(await foreign.attest(claims), expected, "kind_not_allowed");
    await expectRefusal(document, { ...expected, roots: {} }, "kind_not_allowed");
  });

  it("accepts evidence from 300 seconds old to 60 seconds ahead, and no other", async () => {
    await checkEvidence(document, { ...expected, now: timestamp + 300 });
    await expectRefusal(document, { ...expected, now: timestamp + 301 }, "stale");
    await checkEvidence(document, { ...expected, now: timestamp - 60 });
    await expectRefusal(document, { ...expected, now: timestamp - 61 }, "from_the_future");
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
    const noKey = await platform.attest({ ...claims, publicKey: `0x04${"00".repeat(64)}` });
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
  label: string | undefined = reason,
): Promise<void> {
  const error: unknown = await checkEvidence(bytes, expectations).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OpgError)) throw new Error(`${label}: not refused`, { cause: error });
  expect(error.code, label).to.equal("evidence_refused");
  if (reason) expect(error.values["reason"], label).to.equal(reason);
}
