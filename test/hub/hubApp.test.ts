import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { id, sha256, toUtf8Bytes } from "ethers";
import type { Hono } from "hono";
import hre from "hardhat";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { profileDigest } from "#execution/profile.ts";
import { createHubApp } from "#hub/hubApp.ts";
import { HubBlobs } from "#hub/hubBlobs.ts";
import { modelIdOf, onnxFormat } from "#protocol/model.ts";
import { createLogger } from "#service/logger.ts";
import { Operations } from "#service/operations.ts";
import { networkFixture } from "#test/contracts/fixture.ts";

const maxBlobBytes = 1_000;
const file = toUtf8Bytes("the bytes of a model");
const digest = sha256(file);
const tooLarge = new Uint8Array(maxBlobBytes + 1);

describe("hub", () => {
  let folder: string;
  let app: Hono;

  before(async () => {
    const connection = await hre.network.create();
    const { modelRegistry, wallets, addresses, provider, deploymentBlock } = await networkFixture(connection);
    const publisher = wallets.stranger;
    const registry = modelRegistry.connect(publisher);
    await registry.createModel(id("model"), "model");
    for (const contentDigest of [digest, sha256(tooLarge)]) {
      const names = { modelId: modelIdOf(publisher.address, id("model")), contentDigest, storageId: id("storage") };
      const meter = { base: 1n, perInputByte: 0n, perOutputByte: 0n };
      await registry.publishVersion({ ...names, format: onnxFormat, profile: profileDigest, meter }, "1");
    }
    folder = await mkdtemp(join(tmpdir(), "opg-hub-"));
    await writeFile(join(folder, `${digest}.broken.part`), "half a file");
    app = createHubApp({
      blobs: await HubBlobs.open(folder, maxBlobBytes),
      modelRegistry: new ModelRegistryAdapter(addresses.modelRegistry, provider, deploymentBlock),
      maxBlobBytes,
      operations: new Operations(),
      logger: createLogger("hub", "silent"),
    });
  });

  after(() => rm(folder, { recursive: true }));

  const put = (path: string, bytes: Uint8Array, headers = {}) =>
    app.request(`/blobs/${path}`, { method: "PUT", body: Uint8Array.from(bytes), headers });

  async function expectError(response: Response, status: number, code: string): Promise<void> {
    const { error } = (await response.json()) as { error: { code: string } };
    expect({ status: response.status, code: error.code }).to.deep.equal({ status, code });
    expect(await readdir(folder)).to.deep.equal(stored);
  }

  let stored: string[] = [];

  it("has nothing at first, and has removed what a broken upload left", async () => {
    await expectError(await app.request(`/blobs/${digest}`), 404, "unknown_blob");
  });

  it("refuses bytes that no published version names", async () => {
    const other = toUtf8Bytes("anything");
    await expectError(await put(sha256(other), other), 403, "blob_not_published");
  });

  it("refuses bytes that are not those of the digest", async () => {
    await expectError(await put(digest, toUtf8Bytes("other bytes")), 400, "invalid_body");
    await expectError(await app.request(`/blobs/${digest}`, { method: "PUT" }), 400, "invalid_body");
  });

  it("refuses more bytes than it takes, whether their length is declared or not", async () => {
    const length = { "content-length": String(tooLarge.length) };
    await expectError(await put(sha256(tooLarge), tooLarge, length), 413, "body_too_large");
    await expectError(await put(sha256(tooLarge), tooLarge), 413, "body_too_large");
  });

  it("keeps nothing of an upload that breaks off", async () => {
    const body = new ReadableStream({
      pull: (controller) => {
        controller.enqueue(file.subarray(0, 5));
        controller.error(new Error("gone"));
      },
    });
    const init = { method: "PUT", body, duplex: "half" } as RequestInit;
    await expectError(await app.request(`/blobs/${digest}`, init), 400, "invalid_body");
  });

  it("refuses paths that are no digest", async () => {
    for (const path of ["..%2f..%2fetc%2fpasswd", "0x12", digest.toUpperCase(), `${digest}.part`]) {
      await expectError(await app.request(`/blobs/${path}`), 404, "unknown_blob");
      await expectError(await put(path, file), 403, "blob_not_published");
    }
  });

  it("takes a published file, again too, and gives it to anyone for ever", async () => {
    stored = [digest];
    for (const upload of [await put(digest, file), await put(digest, file)]) {
      expect(upload.status).to.equal(201);
      expect(await upload.json()).to.deep.equal({ digest, bytes: file.length });
    }
    const response = await app.request(`/blobs/${digest}`);
    expect(response.status).to.equal(200);
    expect(response.headers.get("cache-control")).to.include("immutable");
    expect(response.headers.get("content-length")).to.equal(String(file.length));
    expect(new Uint8Array(await response.arrayBuffer())).to.deep.equal(file);
    expect(await readdir(folder)).to.deep.equal(stored);
  });

  it("is healthy", async () => {
    expect((await app.request("/health")).status).to.equal(200);
  });
});
