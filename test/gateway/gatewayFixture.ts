import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id } from "ethers";
import { network as hardhatNetwork } from "hardhat";
import { FolderBlobs } from "#blobs/folderBlobs.ts";
import { BatchesAdapter } from "#chain/batches.ts";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { OpgAdapter } from "#chain/opg.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { createGatewayApp } from "#gateway/app.ts";
import { Demand } from "#gateway/demand.ts";
import type { Gateway } from "#gateway/gateway.ts";
import { ModelCatalog } from "#gateway/modelCatalog.ts";
import { NodeDirectory } from "#gateway/nodeDirectory.ts";
import { Trails } from "#gateway/trails.ts";
import { modelIdOf, type ModelVersion, versionIdOf } from "#protocol/model.ts";
import type { Network } from "#protocol/network.ts";
import { createLogger } from "#service/logger.ts";
import { Operations } from "#service/operations.ts";
import { type GatewayStore, openGatewayStore } from "#store/gatewayStore.ts";
import { type NetworkFixture, networkFixture } from "#test/contracts/fixture.ts";
import { summingModel } from "#test/execution/summingModel.ts";
import { emptyDatabase } from "#test/store/testDatabases.ts";
import { doublingModel, doublingTerms } from "./doublingModel.ts";
import { type FacilitatorPeer, startFacilitatorPeer } from "./facilitatorPeer.ts";
import { startNodePeer } from "./nodePeer.ts";

const settings = {
  taskSeconds: 120,
  executionSeconds: 10,
  verdictSeconds: 10,
  releaseSeconds: 10,
  answerSeconds: 3_600,
  maxOutputBytes: 100,
  maxBodyBytes: 100_000,
};

/** One for all fixtures, each of which begins by emptying it: to make one takes longer than most tests. */
let database: Promise<string> | undefined;

/**
 * A gateway over the contracts on Hardhat's own chain and a real database, a published model, and two nodes that run it.
 * The far ends of its HTTP calls are peers that count.
 */
export async function gatewayFixture() {
  const fixture = await networkFixture(await hardhatNetwork.create());
  const facilitator = await startFacilitatorPeer(fixture);
  const nodes = [await startNodePeer(fixture, facilitator), await startNodePeer(fixture, facilitator)] as const;
  const folder = await mkdtemp(join(tmpdir(), "opg-gateway-"));
  const version = await publish(fixture, await new FolderBlobs(folder).put(doublingModel));
  for (const node of nodes) node.versions = [version.versionId];
  /** Publishes the model that sums step by step as `sums@1`, at the same price. */
  const publishSums = async (): Promise<string> => {
    const sums = await publish(fixture, await new FolderBlobs(folder).put(summingModel), "sums");
    for (const node of nodes) node.versions.push(sums.versionId);
    return sums.versionId;
  };
  const time = { now: await fixture.now() };
  const network = networkOf(fixture, facilitator);
  const databaseUrl = await (database ??= emptyDatabase());
  const replicas: Gateway[] = [];
  /** Another process on the same database. */
  const startReplica = async () => {
    const store = await openGatewayStore(databaseUrl, createLogger("gateway", "silent"));
    const gateway = await assemble(fixture, network, { folder, store, clock: () => time.now });
    replicas.push(gateway);
    await gateway.catalog.refresh();
    return { gateway, app: createGatewayApp(gateway) };
  };
  const first = await startReplica();
  await first.gateway.store.prune(Number.MAX_SAFE_INTEGER);
  return {
    ...first,
    startReplica,
    publishSums,
    ...fixture,
    facilitator,
    nodes,
    network,
    /** The gateway's clock; tests set it. */
    time,
    version,
    async stop(): Promise<void> {
      await Promise.all(replicas.flatMap(({ nodes: directory, store }) => [directory.close(), store.close()]));
      await Promise.all([facilitator, ...nodes].map((peer) => peer.stop()));
      await fixture.connection.close();
      await rm(folder, { recursive: true });
    },
  };
}

export type GatewayFixture = Awaited<ReturnType<typeof gatewayFixture>>;

/** Publishes a model, `doubling@1` unless said otherwise. */
async function publish({ modelRegistry, wallets }: NetworkFixture, contentDigest: string, name = "doubling") {
  const registry = modelRegistry.connect(wallets.operator);
  const modelId = modelIdOf(wallets.operator.address, id(name));
  const version: ModelVersion = { ...doublingTerms, modelId, contentDigest };
  await registry.createModel(id(name), name);
  await registry.publishVersion(version, "1");
  return { ...version, versionId: versionIdOf(version) };
}

function networkOf(fixture: NetworkFixture, { url }: FacilitatorPeer): Network {
  const { addresses, wallets, parameters, chainId, deploymentBlock, entry } = fixture;
  const { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds } = parameters;
  return {
    name: "test",
    chainId,
    rpcUrl: "http://127.0.0.1:8545",
    deploymentBlock,
    contracts: addresses,
    parameters: { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds },
    hub: "http://127.0.0.1:8404",
    gateway: "http://gateway.test",
    facilitators: [{ address: wallets.facilitator.address, entry, url }],
    verifiers: wallets.verifiers.map(({ address }) => ({ address, url: "http://127.0.0.1:8421" })),
  };
}

async function assemble(
  { provider, addresses, deploymentBlock }: NetworkFixture,
  network: Network,
  { folder, store, clock }: { folder: string; store: GatewayStore; clock: () => number },
): Promise<Gateway> {
  const logger = createLogger("gateway", "silent");
  let draws = 0;
  const models = new ModelRegistryAdapter(addresses.modelRegistry, provider, deploymentBlock);
  const nodes = new NodeRegistryAdapter(addresses.nodeRegistry, provider, deploymentBlock);
  const taskEscrow = new TaskEscrowAdapter(addresses.taskEscrow, provider);
  const settlement = new SettlementAdapter(addresses.settlement, provider);
  const batches = new BatchesAdapter(addresses.settlement, provider);
  return {
    network,
    // Its own: tests change them.
    settings: { ...settings },
    clock,
    monotonicMs: () => clock() * 1000,
    logger,
    randomBytes: (length) => new Uint8Array(length).fill((draws += 1)),
    token: await new OpgAdapter(addresses.opg, provider).domain(),
    store,
    operations: new Operations(),
    catalog: new ModelCatalog({ registry: models, blobs: new FolderBlobs(folder), clock, logger }),
    nodes: new NodeDirectory({ registry: nodes, clock, logger, random: () => 0.5 }),
    demand: new Demand(clock),
    trails: new Trails({ network, provider, taskEscrow, settlement, batches, nodes, models, logger }),
  };
}
