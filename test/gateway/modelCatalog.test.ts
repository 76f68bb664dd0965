import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { id } from "ethers";
import { digest as digestOf } from "#blobs/digest.ts";
import type { PublishedVersion } from "#chain/modelRegistry.ts";
import { ModelCatalog } from "#gateway/modelCatalog.ts";
import { OpgError } from "#protocol/errors.ts";
import { createLogger } from "#service/logger.ts";
import { summingModel } from "#test/execution/summingModel.ts";
import { rejection } from "#test/execution/rejection.ts";
import { doublingModel, doublingTerms } from "./doublingModel.ts";

describe("a catalog of models", () => {
  const files = new Map<string, Uint8Array>();
  const time = { now: 1_000 };
  let published: PublishedVersion[];
  let reads: string[];
  let [running, most] = [0, 0];
  let catalog: ModelCatalog;

  beforeEach(() => {
    files.clear();
    [published, reads, running, most] = [[], [], 0, 0];
    const registry = {
      listVersions: () => Promise.resolve(published),
      version: (versionId: string) => Promise.resolve(published.find((version) => version.versionId === versionId)),
    };
    const get = async (digest: string): Promise<Uint8Array> => {
      reads.push(digest);
      most = Math.max(most, ++running);
      await turn();
      running--;
      const bytes = files.get(digest);
      if (!bytes) throw new OpgError("unknown_blob", "It is not there.");
      return bytes;
    };
    const logger = createLogger("gateway", "silent");
    catalog = new ModelCatalog({ registry, blobs: { get }, clock: () => time.now, logger });
  });

  /** Names a file on the chain. @returns its digest */
  function publish(name: string, bytes: Uint8Array): string {
    const contentDigest = digestOf(bytes);
    const ids = { modelId: id(`model ${name}`), versionId: id(`version ${name}`), publisher: "0x" };
    published.push({ ...doublingTerms, ...ids, contentDigest, name, label: "1" });
    return contentDigest;
  }
  const listed = async () => (await catalog.list()).map(({ version }) => version.name);

  it("reads no file for a listing, and the files of all versions one after the other, each once", async () => {
    for (const [name, bytes] of [["doubling", doublingModel] as const, ["summing", summingModel] as const]) {
      files.set(publish(name, bytes), bytes);
    }
    publish("doubling again", doublingModel);
    expect(await listed()).to.deep.equal([]);
    expect(reads).to.deep.equal([]);
    await Promise.all([catalog.refresh(), catalog.find("summing"), catalog.find("doubling"), catalog.find("summing")]);
    expect(await listed()).to.deep.equal(["doubling", "summing", "doubling again"]);
    await catalog.refresh();
    expect(reads).to.have.length(2);
    expect(most).to.equal(1);
  });

  it("reads a file that is no model once, and looks for a missing one later and later", async () => {
    const junk = new Uint8Array([1, 2, 3]);
    const broken = publish("broken", junk);
    files.set(broken, junk);
    const missing = publish("missing", doublingModel);
    for (let second = 0; second < 64; second++) {
      await catalog.refresh();
      expect((await rejection(catalog.find("broken"))).code).to.equal("invalid_model");
      expect((await rejection(catalog.find("missing"))).code).to.equal("unknown_blob");
      time.now += 1;
    }
    expect(reads.filter((digest) => digest === broken)).to.have.length(1);
    expect(reads.filter((digest) => digest === missing)).to.have.length(7);
    expect(await listed()).to.deep.equal([]);
    files.set(missing, doublingModel);
    time.now += 64;
    await catalog.refresh();
    expect(await listed()).to.deep.equal(["missing"]);
  });
});
