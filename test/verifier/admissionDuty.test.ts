import { expect } from "chai";
import { encodeBase64, getBytes, id, sha256, SigningKey, Wallet } from "ethers";
import type { Claims } from "#attestation/evidence.ts";
import { createSimulatedPlatform, makeSimulatedRoot, type SimulatedRoot } from "#attestation/nitro/simulated.ts";
import { fingerprint } from "#attestation/x509/checkChain.ts";
import { profileDigest } from "#execution/profile.ts";
import {
  type Admission,
  type AdmissionRequestJson,
  admissionTypedData,
  challengeNonce,
  identityBinding,
} from "#protocol/admission.ts";
import { admissionSignatureJson, challengeJson } from "#protocol/messages.ts";
import { joinSignatures } from "#protocol/verdict.ts";
import { testRoot } from "#test/attestation/testRoot.ts";
import { makeChain, makeNitroDocument, properRegisters } from "#test/attestation/documents/nitroDocument.ts";
import { approvedMeasurement, sign } from "#test/contracts/fixture.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { verifierFixture, type VerifierFixture } from "./verifierFixture.ts";

const enclave = new Wallet(id("an enclave that wants in"));
const node = enclave.address;

type Verifier = Awaited<ReturnType<VerifierFixture["start"]>>;

/** How a request differs from a proper one, in the order in which it is made. */
interface Changes {
  challenges?: string[];
  blockNumber?: number;
  /** Whom the enclave would show requests to. */
  verifiers?: string[];
  /** What the enclave has its platform state otherwise. */
  claims?: Partial<Claims>;
  /** The platform's root, the profile that it runs, and its time, in seconds since 1970. */
  root?: SimulatedRoot;
  profile?: string;
  timestamp?: number;
  /** Instead of the simulated platform's. */
  evidence?: (claims: Claims) => Uint8Array;
  /** What the admission says otherwise, with the enclave's signature over it. */
  admission?: Partial<Admission>;
  /** What the admission says otherwise, after the enclave has signed it. */
  tampered?: Partial<Admission>;
}

describe("POST /admissions of a verifier", () => {
  let fixture: VerifierFixture;
  let verifier: Verifier;

  before(async function () {
    this.timeout(120_000);
    fixture = await verifierFixture();
    verifier = await fixture.start(0, await emptyDatabase());
  });
  after(() => fixture.stop());

  async function askChallenge({ post }: Verifier): Promise<string> {
    return challengeJson.parse((await post("/admissions/challenges", { node })).body).challenge;
  }

  async function makeRequest(changes: Changes = {}): Promise<{ admission: Admission; body: AdmissionRequestJson }> {
    const domain = fixture.domainOf("nodeRegistry");
    const addresses = fixture.network.verifiers.map(({ address }) => address);
    const challenges = changes.challenges ?? [await askChallenge(verifier)];
    const block = await fixture.provider.getBlock(changes.blockNumber ?? "latest");
    const proper = await fixture.makeAdmission({ node });
    const { root = testRoot, profile = profileDigest, timestamp = fixture.time.now } = changes;
    const claims = {
      publicKey: enclave.signingKey.publicKey,
      userData: identityBinding(proper, domain, changes.verifiers ?? addresses),
      nonce: challengeNonce(domain, block?.hash ?? "", challenges),
      ...changes.claims,
    };
    const platform = createSimulatedPlatform({ root, profile, clock: () => timestamp });
    const evidence = changes.evidence?.(claims) ?? (await platform.attest(claims));
    const signed = { ...proper, evidenceHash: sha256(evidence), ...changes.admission };
    const enclaveSignature = await sign(enclave, admissionTypedData(signed, domain));
    const admission = { ...signed, ...changes.tampered };
    const wire = { ...admission, epoch: Number(admission.epoch) };
    const blockNumber = block?.number ?? 0;
    return {
      admission,
      body: { admission: wire, evidence: encodeBase64(evidence), blockNumber, challenges, enclaveSignature },
    };
  }

  async function expectRefused(changes: Changes, error: Record<string, unknown>): Promise<void> {
    const { body } = await verifier.post("/admissions", (await makeRequest(changes)).body);
    expect(body).to.have.property("error").that.includes(error);
  }

  const refused = (values: Record<string, unknown>) => ({ code: "evidence_refused", ...values });

  it("signs what the registry then admits, together with another verifier", async () => {
    const verifiers = [verifier, await fixture.start(1, await emptyDatabase())];
    const challenges = await Promise.all(verifiers.map(askChallenge));
    const { admission, body } = await makeRequest({ challenges });
    const snapshot = await fixture.connection.networkHelpers.takeSnapshot();
    const signatures = [];
    for (const { post, address } of verifiers) {
      const signed = admissionSignatureJson.parse((await post("/admissions", body)).body);
      expect(signed).to.include({ verifier: address, epoch: 1 });
      signatures.push({ signer: address, signature: signed.signature });
    }
    const registry = fixture.nodeRegistry.connect(fixture.wallets.operator);
    await registry.admit(admission, body.enclaveSignature, joinSignatures(signatures));
    expect(await registry.isActive(node)).to.equal(true);

    // Played again, the same admission is no longer the node's next.
    await expectRefused({}, refused({ field: "sequence" }));
    await snapshot.restore();
  });

  it("takes a challenge once, and only from the node that it was given to", async () => {
    const { body } = await makeRequest();
    expect((await verifier.post("/admissions", body)).status).to.equal(200);
    expect((await verifier.post("/admissions", body)).body).to.have.nested.property("error.code", "challenge_unknown");
    await expectRefused({ challenges: [id("never given")] }, { code: "challenge_unknown" });
    const { stranger } = fixture.wallets;
    const foreign = challengeJson.parse(
      (await verifier.post("/admissions/challenges", { node: stranger.address })).body,
    );
    await expectRefused({ challenges: [foreign.challenge] }, { code: "challenge_unknown" });
  });

  it("refuses an answer after 300 seconds", async () => {
    const { body } = await makeRequest();
    fixture.time.now += 301;
    const answer = await verifier.post("/admissions", body);
    fixture.time.now -= 301;
    expect(answer.body).to.have.nested.property("error.code", "challenge_unknown");
  });

  for (const [field, changed] of [
    ["operator", node],
    ["payout", node],
    ["tlsKeyHash", id("another TLS key")],
    ["hpkeKeyHash", id("another HPKE key")],
  ] as const) {
    it(`refuses another ${field} than the evidence binds`, () =>
      expectRefused({ admission: { [field]: changed } }, refused({ reason: "wrong_binding" })));
  }

  it("refuses an enclave that would show requests to others than the network's verifiers", async () => {
    const known = fixture.network.verifiers.map(({ address }) => address);
    for (const verifiers of [[...known, fixture.wallets.stranger.address], known.slice(1), []]) {
      await expectRefused({ verifiers }, refused({ reason: "wrong_binding" }));
    }
  });

  it("refuses another measurement, evidence or signing key than the evidence's", async () => {
    await expectRefused({ admission: { measurement: id("other code") } }, refused({ field: "measurement" }));
    await expectRefused({ admission: { evidenceHash: id("other evidence") } }, refused({ field: "evidenceHash" }));
    const { publicKey } = new SigningKey(id("another enclave"));
    await expectRefused({ claims: { publicKey } }, refused({ reason: "wrong_key" }));
  });

  it("refuses evidence that was copied from another admission, or made for another registry or chain", async () => {
    const { body } = await makeRequest();
    const copied = Buffer.from(body.evidence, "base64");
    await expectRefused({ evidence: () => copied }, refused({ reason: "wrong_nonce" }));
    const domain = fixture.domainOf("nodeRegistry");
    const proper = await fixture.makeAdmission({ node });
    for (const other of [{ chainId: 1n }, { verifyingContract: node }]) {
      const elsewhere = { ...domain, ...other };
      const userData = identityBinding(
        proper,
        elsewhere,
        fixture.network.verifiers.map(({ address }) => address),
      );
      await expectRefused({ claims: { userData } }, refused({ reason: "wrong_binding" }));
      const challenge = await askChallenge(verifier);
      const block = await fixture.provider.getBlock("latest");
      const nonce = challengeNonce(elsewhere, block?.hash ?? "", [challenge]);
      await expectRefused({ challenges: [challenge], claims: { nonce } }, refused({ reason: "wrong_nonce" }));
    }
  });

  it("refuses an enclave that is debugged, whose registers are zero, under a root that is named", async () => {
    const at = fixture.time.now;
    const chain = makeChain({}, at);
    const roots = [fingerprint(chain[0] ?? new Uint8Array())];
    const { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds } = fixture.parameters;
    const evidenceRoots = { nitro: roots };
    const parameters = { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds, evidenceRoots };
    const takesNitro = await fixture.start(2, await emptyDatabase(), { network: { parameters } });
    for (const [registers, reason] of [
      [properRegisters(), "measurement_not_approved"],
      [properRegisters().set(0, Buffer.alloc(48)), "debug_mode"],
    ] as const) {
      const evidence = ({ publicKey, userData, nonce }: Claims) => {
        const claimed = { public_key: getBytes(publicKey), user_data: getBytes(userData), nonce: getBytes(nonce) };
        return makeNitroDocument({ at, chain: () => chain, fields: { ...claimed, pcrs: registers } }).document;
      };
      const { body } = await makeRequest({ challenges: [await askChallenge(takesNitro)], evidence });
      const answer = await takesNitro.post("/admissions", body);
      expect(answer.body).to.have.property("error").that.includes(refused({ reason }));
    }
  });

  it("refuses a measurement that is not approved, a foreign root, and evidence that is old or from the future", async () => {
    const { now } = fixture.time;
    await expectRefused({ profile: id("unapproved code") }, refused({ reason: "measurement_not_approved" }));
    await expectRefused({ root: await makeSimulatedRoot(now) }, refused({ reason: "kind_not_allowed" }));
    await expectRefused({ timestamp: now - 301 }, refused({ reason: "stale" }));
    await expectRefused({ timestamp: now + 61 }, refused({ reason: "from_the_future" }));
  });

  it("refuses simulated evidence where the network names no root for it", async () => {
    const { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds } = fixture.parameters;
    const parameters = { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds };
    const strict = await fixture.start(2, await emptyDatabase(), { network: { parameters } });
    const { body } = await makeRequest({ challenges: [await askChallenge(strict)] });
    const answer = await strict.post("/admissions", body);
    expect(answer.body)
      .to.have.property("error")
      .that.includes(refused({ reason: "kind_not_allowed" }));
  });

  it("refuses a lease that is over or longer than the registry allows, another sequence, and another epoch", async () => {
    const { now } = fixture.time;
    const latest = Math.max(now, await fixture.now()) + fixture.parameters.maxLeaseSeconds;
    await expectRefused({ admission: { leaseUntil: now } }, refused({ field: "leaseUntil" }));
    await expectRefused({ admission: { leaseUntil: latest + 1 } }, refused({ field: "leaseUntil" }));
    await expectRefused({ admission: { sequence: 2 } }, refused({ field: "sequence" }));
    await expectRefused({ admission: { epoch: 2n } }, refused({ field: "epoch" }));
    const { body } = await makeRequest({ admission: { leaseUntil: latest } });
    expect((await verifier.post("/admissions", body)).status).to.equal(200);
  });

  it("refuses a block that is not of the last ten minutes, or not there", async () => {
    const { body } = await makeRequest();
    const unknown = await verifier.post("/admissions", { ...body, blockNumber: body.blockNumber + 100 });
    expect(unknown.body)
      .to.have.property("error")
      .that.includes(refused({ field: "blockNumber" }));
    const block = await fixture.provider.getBlock("latest");
    const { now } = fixture.time;
    fixture.time.now = (block?.timestamp ?? 0) + 601;
    await expectRefused({}, refused({ field: "blockNumber" }));
    fixture.time.now = now;
  });

  for (const [field, changed] of [
    ["operator", node],
    ["payout", node],
    ["measurement", id("other code")],
    ["tlsKeyHash", id("another TLS key")],
    ["hpkeKeyHash", id("another HPKE key")],
    ["leaseUntil", 1],
  ] as const) {
    it(`refuses another ${field} than the enclave signed`, () => {
      const value = field === "leaseUntil" ? fixture.time.now + 60 : changed;
      return expectRefused({ tampered: { [field]: value } }, { code: "invalid_signature" });
    });
  }

  it("refuses a node that was retired, for good", async () => {
    const { nodeRegistry, wallets } = fixture;
    const snapshot = await fixture.connection.networkHelpers.takeSnapshot();
    const admission = await fixture.makeAdmission({ node });
    const signatures = await fixture.signAdmission(admission, { enclave });
    const registry = nodeRegistry.connect(wallets.operator);
    await registry.admit(admission, signatures.enclaveSignature, signatures.certificate);
    await registry.retire(node);
    await expectRefused({ admission: { sequence: 2 } }, refused({ field: "node" }));
    await snapshot.restore();
  });

  // The last: it moves the chain's time.
  it("refuses code whose window governance has closed, which was approved before", async () => {
    const { nodeRegistry, govern } = fixture;
    const data = nodeRegistry.interface.encodeFunctionData("setMeasurement", [approvedMeasurement, 0, 0]);
    await govern({ to: await nodeRegistry.getAddress(), data });
    fixture.time.now = await fixture.now();
    await expectRefused({}, refused({ reason: "measurement_not_approved" }));
  });
});
