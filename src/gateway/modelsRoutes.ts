import type { Hono } from "hono";
import type { ModelListingJson } from "#protocol/model.ts";
import type { Gateway } from "./gateway.ts";
import { type ExecutableVersion, listingOf } from "./modelCatalog.ts";

/** `GET /v1/models` and `GET /v1/models/{model}`. */
export function addModelsRoutes(app: Hono, gateway: Gateway): void {
  app.get("/v1/models", async (context) => context.json({ models: await listModels(gateway) }));
  app.get("/v1/models/:model", async (context) => {
    const [version, nodeCount] = await Promise.all([
      gateway.catalog.find(context.req.param("model")),
      countNodes(gateway),
    ]);
    return context.json(listingOf(version, nodeCount(version)));
  });
}

/** Every model that can be run, with the number of nodes that run it now. */
export async function listModels(gateway: Gateway): Promise<ModelListingJson[]> {
  const [versions, nodeCount] = await Promise.all([gateway.catalog.list(), countNodes(gateway)]);
  return versions.map((version) => listingOf(version, nodeCount(version)));
}

async function countNodes({ nodes }: Gateway): Promise<(executable: ExecutableVersion) => number> {
  const serving = await nodes.list();
  return ({ version }) => serving.filter(({ versions }) => versions.includes(version.versionId)).length;
}
