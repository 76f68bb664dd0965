import { expect } from "chai";
import { decode } from "cborg";
import { computeAddress, id, SigningKey } from "ethers";
import { checkEvidence, type EvidenceExpectations } from "#attestation/checkEvidence.ts";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { inSingleForm } from "#attestation/nitro/checkNitroDocument.ts";
import {
  createSimulatedPlatform,
  makeSimulatedRoot,
  type SimulatedRoot,
  simulatedMeasurement,
  simulatedRootFingerprint,
} from "#attestation/nitro/simulated.ts";
import { accepted, expectRefusal } from "#test/attestation/expectRefusal.ts";

const start = 1_900_000_000;
const profile = id("profile");
const enclave = new SigningKey(id("enclave"));
const claims = { publicKey: enclave.publicKey, userData: id("binding"), nonce: id("nonce") };

describe("A simulated platform", () => {
  let root: SimulatedRoot;
  let time = start;
  const platformOf = (given: SimulatedRoot) => createSimulatedPlatform({ root: given, profile, clock: () => time });
  const expectations = (): EvidenceExpectations => ({
    nonce: claims.nonce,
    binding: claims.userData,
    node: computeAddress(enclave.publicKey),
    now: time,
    roots: { simulated: [simulatedRootFingerprint(root)] },
    approvedMeasurement: (measurement) => measurement === simulatedMeasurement(profile),
  });

  before(async () => {
    root = await makeSimulatedRoot(start);
  });
  beforeEach(() => (time = start));

  async function refusalOf(document: Uint8Array, expected: EvidenceExpectations): Promise<EvidenceRefusal> {
    const error: unknown = await checkEvidence(document, expected).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return (error as { values: { reason: EvidenceRefusal } }).values.reason;
  }

  it("signs documents that are admitted under its root", async () => {
    const platform = platformOf(root);
    const evidence = await checkEvidence(await platform.attest(claims), expectations());
    expect(evidence).to.include({ kind: "simulated", measurement: platform.measurement, timestamp: start, ...claims });
  });

  it("writes the fields that Nitro writes, in its order, under four certificates and an enclave's", async () => {
    const [, , payload] = decode(await platformOf(root).attest(claims), { useMaps: true }) as Uint8Array[];
    const fields = decode(payload!, { useMaps: true }) as Map<string, unknown>;
    expect([...fields.keys()]).to.deep.equal([
      "module_id",
      "digest",
      "timestamp",
      "pcrs",
      "certificate",
      "cabundle",
      "public_key",
      "user_data",
      "nonce",
    ]);
    expect(fields.get("cabundle")).to.have.lengthOf(4);
    expect(fields.get("pcrs")).to.have.property("size", 16);
  });

  it("does so in the single form, every time", async () => {
    const platform = platformOf(root);
    for (let count = 0; count < 8; count++) {
      const document = await platform.attest(claims);
      expect(inSingleForm(document)).to.deep.equal(document);
    }
  });

  it("renews its certificates before they end", async () => {
    const platform = platformOf(root);
    for (const hours of [0, 1, 2, 4, 30, 24 * 400]) {
      time = start + hours * 3600;
      await checkEvidence(await platform.attest(claims), expectations());
    }
  });

  it("counts only where the network names its root, and never as Nitro's", async () => {
    const document = await platformOf(root).attest(claims);
    const proper = expectations();
    const fingerprint = simulatedRootFingerprint(root);
    expect(await refusalOf(document, { ...proper, roots: {} })).to.equal("kind_not_allowed");
    expect(await refusalOf(document, { ...proper, roots: { nitro: ["00".repeat(32)] } })).to.equal("wrong_root");
    const other = await platformOf(await makeSimulatedRoot(start)).attest(claims);
    expect(await refusalOf(other, proper)).to.equal("kind_not_allowed");
    expectRefusal("simulated", other, { now: start, roots: proper.roots }, "wrong_root");
    // Even under a root that is named for both, what it states is not what was approved for Nitro.
    const roots = { nitro: [fingerprint], simulated: [fingerprint] };
    const asNitro = accepted("nitro", document, { now: start, roots });
    expect(asNitro.measurement).not.to.equal(simulatedMeasurement(profile));
  });

  it("states nothing that is admitted for another challenge, binding, key or code, or later", async () => {
    const document = await platformOf(root).attest(claims);
    const proper = expectations();
    const node = computeAddress(new SigningKey(id("another enclave")).publicKey);
    expect(await refusalOf(document, { ...proper, nonce: id("other") })).to.equal("wrong_nonce");
    expect(await refusalOf(document, { ...proper, binding: id("other") })).to.equal("wrong_binding");
    expect(await refusalOf(document, { ...proper, node })).to.equal("wrong_key");
    expect(await refusalOf(document, { ...proper, approvedMeasurement: () => false })).to.equal(
      "measurement_not_approved",
    );
    expect(await refusalOf(document, { ...proper, now: start + 301 })).to.equal("stale");
    expect(await refusalOf(document, { ...proper, now: start - 61 })).to.equal("from_the_future");
    expect(await refusalOf(Uint8Array.from([0xd2, ...document]), proper)).to.equal("second_form");
  });
});
