import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { decode, encode } from "cborg";
import { computeAddress, hexlify, id, SigningKey } from "ethers";
import { checkEvidence } from "#attestation/checkEvidence.ts";
import { inSingleForm } from "#attestation/nitro/checkNitroDocument.ts";
import { openNitroPlatform } from "#attestation/nitro/nitroPlatform.ts";
import { nitroProgram } from "#attestation/nitro/nitroProgram.ts";
import { makeNitroDocument, otherForm, properRegisters } from "#test/attestation/documents/nitroDocument.ts";
import { testEvidenceRoots, testPlatform } from "#test/attestation/testRoot.ts";
import { rejection } from "#test/execution/rejection.ts";

const now = 1_900_000_000;
const enclave = new SigningKey(id("enclave"));
const claims = { publicKey: enclave.publicKey, userData: id("binding"), nonce: id("nonce") };
const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A device's answer: a document of the simulated platform, with the tag and the signature's second form, as devices may write. */
async function answerOf(request: Uint8Array): Promise<Uint8Array> {
  const { Attestation: wanted } = decode(request) as { Attestation: Record<string, Uint8Array | null> };
  expect(wanted).to.have.all.keys("public_key", "user_data", "nonce");
  const hex = (name: string): string => hexlify(wanted[name] ?? Uint8Array.of(0));
  const made = { publicKey: hex("public_key"), userData: hex("user_data"), nonce: hex("nonce") };
  const document = await testPlatform(() => now).attest(made);
  const [header, unprotected, payload, signature] = decode(document, { useMaps: true }) as Uint8Array[];
  const written = encode([header, unprotected, payload, otherForm(signature!)]);
  return encode({ Attestation: { document: Uint8Array.from([0xd2, ...written]) } });
}

describe("A Nitro platform", () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "opg-nsm-"))));
  after(() => rmSync(folder, { recursive: true }));

  /** An executable program of a shell's commands. */
  function program(name: string, commands: string): string {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${commands}\n`, { mode: 0o755 });
    return path;
  }

  async function listen(path: string): Promise<Server> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const parts: Buffer[] = [];
      socket.on("data", (part) => parts.push(part));
      socket.on("end", () => void answerOf(Buffer.concat(parts)).then((answer) => socket.end(answer)));
    });
    await new Promise<void>((listening) => server.listen(path, listening));
    return server;
  }

  it("asks the device through a program, and gives documents in the form in which they are admitted", async () => {
    const socket = join(folder, "device");
    const server = await listen(socket);
    const path = program("nsm", `exec '${process.execPath}' '${fileOf("programs/device.mjs")}' '${socket}'`);
    const platform = await openNitroPlatform(nitroProgram(path));
    const document = await platform.attest(claims);
    server.close();
    expect(inSingleForm(document)).to.deep.equal(document);
    const evidence = await checkEvidence(document, {
      nonce: claims.nonce,
      binding: claims.userData,
      node: computeAddress(claims.publicKey),
      now,
      roots: { nitro: testEvidenceRoots.simulated },
      approvedMeasurement: (measurement) => measurement === platform.measurement,
    });
    expect(evidence).to.include({ kind: "nitro", measurement: platform.measurement, ...claims });
    expect(platform.measurement).to.not.equal(testPlatform(() => now).measurement);
  });

  it("does not open in an enclave that is debugged", async () => {
    const pcrs = properRegisters().set(0, Buffer.alloc(48));
    const { document } = makeNitroDocument({ fields: { pcrs } });
    const error = await rejection(openNitroPlatform(() => Promise.resolve(encode({ Attestation: { document } }))));
    expect([error.code, error.values["reason"]]).to.deep.equal(["evidence_refused", "debug_mode"]);
  });

  it("says what the device refused, and what is no answer of a device's", async () => {
    const opening = (answer: unknown) => rejection(openNitroPlatform(() => Promise.resolve(encode(answer))));
    expect((await opening({ Error: "InvalidOperation" })).message).to.include("refuses: InvalidOperation");
    for (const answer of ["", {}, { Attestation: {} }, { DescribeNSM: {} }, { Attestation: { document: "text" } }]) {
      expect((await opening(answer)).code).to.equal("platform_unavailable");
    }
  });

  it("says why a program brought nothing, and shows it none of our variables", async () => {
    const asking = (path: string) => rejection(nitroProgram(path)(Uint8Array.of(1)));
    const missing = await asking(join(folder, "missing"));
    expect(missing.code).to.equal("platform_unavailable");
    expect(missing.message).to.include("ENOENT");
    const failing = await asking(program("failing", "echo '/dev/nsm: No such file or directory' >&2; exit 1"));
    expect(failing.message).to.include("/dev/nsm: No such file or directory");
    process.env["OPG_SECRET"] = "secret";
    const seen = await nitroProgram(program("curious", "env"))(Uint8Array.of(1));
    delete process.env["OPG_SECRET"];
    expect(Buffer.from(seen).toString()).to.not.include("OPG_SECRET");
  });

  if (spawnSync("cc", ["--version"]).error) {
    it("has a program nsm.c, which is not built here: there is no C compiler");
    return;
  }
  it("has a program that speaks to the device as the kernel describes it", () => {
    const built = (source: string, name: string, ...flags: string[]): string => {
      const path = join(folder, name);
      execFileSync("cc", ["-O1", "-Wall", "-Wextra", "-Werror", ...flags, "-o", path, fileOf(source)]);
      return path;
    };
    const nsm = built("../../../src/attestation/nitro/nsm.c", "nsm-built");
    const input = encode({ Attestation: { nonce: new Uint8Array(300) } });
    const without = spawnSync(nsm, { input });
    expect(without.status).to.equal(1);
    expect(without.stderr.toString()).to.match(/^\/dev\/nsm: /);
    const LD_PRELOAD = built("programs/device.c", "device.so", "-shared", "-fPIC");
    const { status, stdout } = spawnSync(nsm, { input, env: { LD_PRELOAD } });
    expect([status, hexlify(stdout)]).to.deep.equal([0, `0xa1${hexlify(input).slice(2)}`]);
  });
});
