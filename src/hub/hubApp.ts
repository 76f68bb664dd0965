import type { Context, Hono } from "hono";
import { Counter } from "prom-client";
import { isDigest } from "#blobs/digest.ts";
import type { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { OpgError } from "#protocol/errors.ts";
import { bodyTooLarge, createApp } from "#service/httpApp.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import type { HubBlobs } from "./hubBlobs.ts";

/** What the routes work with. */
export interface HubAppDependencies {
  blobs: HubBlobs;
  modelRegistry: Pick<ModelRegistryAdapter, "listVersions">;
  maxBlobBytes: number;
  operations: Operations;
  logger: Logger;
}

/** Routes of the hub: `GET` and `PUT /blobs/{digest}`. */
export function createHubApp({ blobs, modelRegistry, maxBlobBytes, operations, logger }: HubAppDependencies): Hono {
  const app = createApp(logger, undefined, operations);
  const moved = new Counter({
    name: "opg_blob_bytes_total",
    help: "Bytes of blobs that were stored or asked for.",
    labelNames: ["direction"],
    registers: [operations.registry],
  });
  app.get("/blobs/:digest", async (context) => {
    const digest = context.req.param("digest");
    const blob = isDigest(digest) ? await blobs.find(digest) : undefined;
    if (!blob) throw new OpgError("unknown_blob", "There is no blob of this digest; publish it first.", { digest });
    moved.inc({ direction: "out" }, blob.bytes);
    return context.body(blob.stream(), 200, {
      "content-type": "application/octet-stream",
      "content-length": String(blob.bytes),
      "cache-control": "public, max-age=31536000, immutable",
      etag: `"${digest}"`,
    });
  });
  app.put("/blobs/:digest", async (context) => {
    const digest = context.req.param("digest");
    refuseLongBody(context, maxBlobBytes);
    await requirePublished(digest, modelRegistry);
    const bytes = await blobs.receive(digest, context.req.raw.body);
    moved.inc({ direction: "in" }, bytes);
    logger.info({ digest, bytes }, "blob stored");
    return context.json({ digest, bytes }, 201);
  });
  return app;
}

/** Says it before the upload, where the length is declared. */
function refuseLongBody(context: Context, maxBlobBytes: number): void {
  if (Number(context.req.header("content-length") ?? 0) > maxBlobBytes) throw bodyTooLarge(maxBlobBytes);
}

/** The hub keeps what publishers have named on chain, so that it is nobody's free storage. */
async function requirePublished(digest: string, modelRegistry: HubAppDependencies["modelRegistry"]): Promise<void> {
  const versions = isDigest(digest) ? await modelRegistry.listVersions() : [];
  if (versions.some(({ contentDigest }) => contentDigest === digest)) return;
  const message = "No published version names this digest; publish the version on chain, then upload its file.";
  throw new OpgError("blob_not_published", message, { digest });
}
