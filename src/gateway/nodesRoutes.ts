import type { Hono } from "hono";
import { OpgError } from "#protocol/errors.ts";
import { address as addressJson } from "#protocol/hex.ts";
import type { DemandJson, NodeListingJson } from "#protocol/nodeListing.ts";
import type { Gateway } from "./gateway.ts";
import type { ActiveNode } from "./nodeDirectory.ts";
import { WINDOW_SECONDS } from "./slidingCounts.ts";

/** Of nodes on a page, of versions of a node, and of versions that demand is told of. */
const MAX_LISTED = 100;

/** `GET /v1/nodes`, `GET /v1/nodes/{address}` and `GET /v1/demand`: what this gateway knows for who runs nodes, or trusts none. */
export function addNodesRoutes(app: Hono, gateway: Gateway): void {
  app.get("/v1/nodes", async (context) => {
    const after = readAddress(context.req.query("after")) ?? "";
    const nodes = (await gateway.nodes.listActive()).filter(({ registered }) => registered.address > after);
    nodes.sort((one, other) => (one.registered.address < other.registered.address ? -1 : 1));
    const page = nodes.slice(0, MAX_LISTED);
    const next = nodes.length > page.length ? (page.at(-1)?.registered.address ?? null) : null;
    return context.json({ nodes: page.map((node) => listingOf(gateway, node)), next });
  });
  app.get("/v1/nodes/:address", async (context) => {
    const wanted = readAddress(context.req.param("address"));
    const node = (await gateway.nodes.listActive()).find(({ registered }) => registered.address === wanted);
    if (node) return context.json(listingOf(gateway, node));
    throw new OpgError("unknown_node", "No active node has this address; GET /v1/nodes lists those that are active.");
  });
  app.get("/v1/demand", async (context) => context.json(await demandOf(gateway)));
}

/** @throws OpgError `unknown_node` */
function readAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const parsed = addressJson.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new OpgError("unknown_node", "That is no address of a node; give 0x and 40 hex digits.");
}

function listingOf({ nodes }: Gateway, { registered, serving }: ActiveNode): NodeListingJson {
  const { address: node, operator, url, measurement, leaseUntil, tlsKeyHash, hpkeKeyHash } = registered;
  const measures = nodes.measures.of(node);
  const versions = serving?.versions ?? [];
  return {
    ...{ node, operator, url, measurement, leaseUntil, tlsKeyHash, hpkeKeyHash },
    hpkeConfig: serving?.hpkeConfig ?? null,
    versions: versions.slice(0, MAX_LISTED),
    versionCount: versions.length,
    measures: { ...measures, answers: measures.answers && serving !== undefined },
  };
}

async function demandOf({ demand, nodes }: Gateway): Promise<DemandJson> {
  const serving = await nodes.list();
  const versions = demand.list(MAX_LISTED).map((wanted) => ({
    ...wanted,
    nodes: serving.filter((node) => node.versions.includes(wanted.versionId)).length,
  }));
  return { windowSeconds: WINDOW_SECONDS, versions };
}
