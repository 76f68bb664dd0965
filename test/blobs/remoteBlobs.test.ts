import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { digest } from "#blobs/digest.ts";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { RemoteBlobs, type RemoteBlobsOptions } from "#blobs/remoteBlobs.ts";
import { createLogger } from "#service/logger.ts";
import { rejection } from "#test/execution/rejection.ts";

const bytes = Buffer.from("the bytes of a model");
const logger = createLogger("test", "silent");

describe("RemoteBlobs", () => {
  let folder: string;
  let server: Server;
  let requests: string[];
  let answer: RequestListener;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "opg-blobs-"));
    requests = [];
    answer = (_, response) => void response.end(bytes);
    server = createServer((request, response) => {
      requests.push(request.url ?? "");
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  function open(options: Partial<RemoteBlobsOptions> = {}): RemoteBlobs {
    const { port } = server.address() as AddressInfo;
    return new RemoteBlobs(
      { hub: `http://127.0.0.1:${port}/`, ...options },
      { folder: new FolderBlobs(folder), logger },
    );
  }

  it("fetches a blob once and keeps it, also for the next process", async () => {
    expect(await open().get(digest(bytes))).to.deep.equal(bytes);
    expect(await open().get(digest(bytes))).to.deep.equal(bytes);
    expect(requests).to.deep.equal([`/blobs/${digest(bytes)}`]);
  });

  it("shares one download among those who ask at the same time", async () => {
    const blobs = open();
    const copies = await Promise.all([1, 2, 3].map(() => blobs.get(digest(bytes))));
    for (const copy of copies) expect(copy).to.deep.equal(bytes);
    expect(requests).to.have.length(1);
  });

  it("fetches again what was tampered with in the folder", async () => {
    await writeFile(join(folder, digest(bytes)), "something else");
    expect(await open().get(digest(bytes))).to.deep.equal(bytes);
    expect(await new FolderBlobs(folder).get(digest(bytes))).to.deep.equal(bytes);
  });

  it("refuses other bytes than the digest names, keeps nothing, and asks again next time", async () => {
    const blobs = open();
    answer = (_, response) => void response.end(bytes.with(0, 0));
    expect(await rejection(blobs.get(digest(bytes)))).to.include({ code: "model_bytes_mismatch" });
    expect(await readdir(folder)).to.deep.equal([]);
    answer = (_, response) => void response.end(bytes);
    expect(await blobs.get(digest(bytes))).to.deep.equal(bytes);
  });

  it("says that the hub does not have a blob, and does not ask for what is no digest", async () => {
    answer = (_, response) => void response.writeHead(404).end();
    expect(await rejection(open().get(digest(bytes)))).to.include({ code: "unknown_blob" });
    expect(await rejection(open().get("../network.json"))).to.include({ code: "unknown_blob" });
    expect(requests).to.have.length(1);
  });

  it("begins no download, and reads no file, above the limit of who asks", async () => {
    const cut = Promise.withResolvers<boolean>();
    answer = (_, response) => {
      response.writeHead(200, { "content-length": 1_000_000 }).write(bytes);
      response.once("close", () => cut.resolve(!response.writableEnded));
    };
    expect(await rejection(open().get(digest(bytes), 999_999))).to.include({ code: "blob_too_large" });
    expect(await cut.promise).to.equal(true);
    await new FolderBlobs(folder).put(bytes);
    expect(await rejection(open().get(digest(bytes), bytes.length - 1))).to.include({ code: "blob_too_large" });
    expect(await open().get(digest(bytes), bytes.length)).to.deep.equal(bytes);
    expect(requests).to.have.length(1);
  });

  it("stops a download at the size limit", async () => {
    answer = (_, response) => {
      const more = () => response.destroyed || response.write(Buffer.alloc(1000), more);
      more();
    };
    expect(await rejection(open({ maxBytes: 10_000 }).get(digest(bytes)))).to.include({ code: "blob_too_large" });
    answer = (_, response) => void response.end(bytes);
    expect(await open({ maxBytes: bytes.length }).get(digest(bytes))).to.deep.equal(bytes);
  });

  const absent: [string, RequestListener][] = [
    ["answers with a failure", (_, response) => void response.writeHead(500).end()],
    [
      "breaks off",
      (_, response) => void response.writeHead(200, { "content-length": 100 }).write("x", () => response.destroy()),
    ],
    ["hangs", () => undefined],
  ];
  for (const [what, listener] of absent) {
    it(`says that the hub is unavailable when it ${what}`, async () => {
      answer = listener;
      const error = await rejection(open({ timeoutSeconds: 0.3 }).get(digest(bytes)));
      expect(error).to.include({ code: "hub_unavailable", status: 503 });
    });
  }

  it("says that the hub is unavailable when nobody listens", async () => {
    const blobs = open();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await rejection(blobs.get(digest(bytes)))).to.include({ code: "hub_unavailable" });
    server.listen(0);
  });
});
