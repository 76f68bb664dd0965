import type { Context, Hono } from "hono";
import { isDigest } from "#blobs/digest.ts";
import type { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { OpgError } from "#protocol/errors.ts";
import { bodyTooLarge, createApp } from "#service/httpApp.ts";
import type { Logger } from "#service/logger.ts";
import type { HubBlobs } from "./hubBlobs.ts";

/** What the routes work with. */
export interface HubAppDependencies {
  blobs: HubBlobs;
  modelRegistry: Pick<ModelRegistryAdapter, "listVersions">;
  maxBlobBytes: number;
  logger: Logger;
}

/** Routes of the hub: `GET` and `PUT /blobs/{digest}`, `GET /health`. */
export function createHubApp({ blobs, modelRegistry, maxBlobBytes, logger }: HubAppDependencies): Hono {
  const app = createApp(logger);
  app.get("/blobs/:digest", async (context) => {
    const digest = context.req.param("digest");
    const blob = isDigest(digest) ? await blobs.find(digest) : undefined;
    if (!blob) throw new OpgError("unknown_blob", "There is no blob of this digest; publish it first.", { digest });
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
