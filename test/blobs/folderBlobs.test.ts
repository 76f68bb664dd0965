import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { digest } from "#blobs/digest.ts";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { rejection } from "#test/execution/rejection.ts";

const bytes = Buffer.from("the bytes of a model");

describe("FolderBlobs", () => {
  let parent: string;
  let folder: string;
  let blobs: FolderBlobs;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "opg-blobs-"));
    folder = join(parent, "blobs");
    blobs = new FolderBlobs(folder);
  });

  afterEach(() => rm(parent, { recursive: true }));

  it("keeps a blob under its digest, for another process too, and leaves nothing else", async () => {
    expect(await blobs.put(bytes)).to.equal(digest(bytes));
    expect(await new FolderBlobs(folder).get(digest(bytes))).to.deep.equal(bytes);
    expect(await readdir(folder)).to.deep.equal([digest(bytes)]);
  });

  it("takes the same blob many times at once", async () => {
    await Promise.all(Array.from({ length: 8 }, () => blobs.put(bytes)));
    expect(await blobs.get(digest(bytes))).to.deep.equal(bytes);
    expect(await readdir(folder)).to.deep.equal([digest(bytes)]);
  });

  it("does not know what was never put there, nor what is no digest", async () => {
    await writeFile(join(parent, "secret"), "not for sale");
    for (const name of [digest(bytes), "", "../secret", "constructor"]) {
      expect(await rejection(blobs.get(name)), name).to.include({ code: "unknown_blob", status: 404 });
    }
  });

  it("refuses a file that was tampered with and removes it, so that it can be put again", async () => {
    await blobs.put(bytes);
    await writeFile(join(folder, digest(bytes)), bytes.with(3, 0));
    expect(await rejection(blobs.get(digest(bytes)))).to.include({ code: "model_bytes_mismatch", status: 502 });
    expect(await rejection(blobs.get(digest(bytes)))).to.include({ code: "unknown_blob" });
    await blobs.put(bytes);
    expect(await blobs.get(digest(bytes))).to.deep.equal(bytes);
  });
});
