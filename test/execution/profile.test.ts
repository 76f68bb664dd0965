import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readEngine } from "#execution/engine.ts";
import { profileDigest, reproducibleProfile } from "#execution/profile.ts";
import { rejection } from "./rejection.ts";

describe("reproducible profile", () => {
  it("has the digest that published versions name", () => {
    const canonical =
      '{"engine":"onnxruntime-web","executionMode":"sequential","graphOptimizationLevel":"extended","name":"reproducible",' +
      '"nan":"canonical","numThreads":1,"version":"1.30.0",' +
      '"wasmSha256":"0x3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"}';
    expect(profileDigest).to.equal(`0x${createHash("sha256").update(canonical).digest("hex")}`);
    expect(profileDigest).to.equal("0x40c3b0d439266ce82487e4838e628fe8773719dc0d9ff97f23cc5f01155ea4b8");
  });

  it("pins the version of the engine that is installed", async () => {
    const manifest = new URL("../../node_modules/onnxruntime-web/package.json", import.meta.url);
    const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
    expect(version).to.equal(reproducibleProfile.version);
    await readEngine();
  });

  it("refuses an engine with one changed byte, and a missing one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "opg-engine-"));
    try {
      const engine = await readEngine();
      const file = join(folder, "engine.wasm");
      await writeFile(file, engine.with(1000, (engine[1000] ?? 0) ^ 1));
      expect(await rejection(readEngine(file))).to.include({ code: "configuration" });
      expect(await rejection(readEngine(join(folder, "none.wasm")))).to.include({ code: "configuration" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
