import { expect } from "chai";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { NodeDirectory } from "#gateway/nodeDirectory.ts";
import { demandJson, nodeListJson } from "#protocol/nodeListing.ts";
import { createLogger } from "#service/logger.ts";
import { choosyPayer, codeIn } from "./choosyPayer.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";

describe("what a gateway publishes of nodes", () => {
  let fixture: GatewayFixture;
  let payer: ReturnType<typeof choosyPayer>;

  beforeEach(async () => {
    fixture = await gatewayFixture();
    payer = choosyPayer(fixture);
  });
  afterEach(() => fixture.stop());

  describe("in GET /v1/nodes and GET /v1/demand", () => {
    it("lists active nodes as the registry has them, with what was measured, by address", async () => {
      const [first] = fixture.nodes;
      expect((await payer.payAt(first)).status).to.equal(200);
      const { nodes, next } = nodeListJson.parse(await (await fixture.app.request("/v1/nodes")).json());
      expect(next).to.equal(null);
      expect(nodes.map(({ node }) => node)).to.deep.equal(fixture.nodes.map(({ address }) => address).sort());
      const one = await payer.listed(first);
      expect(nodes).to.deep.include(one);
      const registered = await fixture.nodeRegistry.nodes(first.address);
      expect(one).to.include({ operator: registered.operator, tlsKeyHash: registered.tlsKeyHash, url: first.url });
      expect(one).to.include({ measurement: registered.measurement, versionCount: 1 });
      expect(one.leaseUntil).to.equal(Number(registered.leaseUntil));
      expect(one.hpkeConfig).to.match(/^0x[0-9a-f]+$/);
      expect(one.measures.versions[0]?.tasks).to.include({ answered: 1, refused: 0, timedOut: 0 });
      const last = nodes.at(-1)!.node;
      const after = await fixture.app.request(`/v1/nodes?after=${nodes[0]!.node}`);
      expect(nodeListJson.parse(await after.json()).nodes.map(({ node }) => node)).to.deep.equal([last]);
    });

    it("leaves out whom the chain does not answer for, keeps its measures, and lists nobody where it answers for none", async () => {
      const { addresses, provider, deploymentBlock, nodes, time } = fixture;
      const registry = new NodeRegistryAdapter(addresses.nodeRegistry, provider, deploymentBlock);
      const error = new Error("too many requests");
      const silent = new Set([nodes[0].address]);
      const urlOf = registry.urlOf.bind(registry);
      registry.urlOf = (node) => (silent.has(node) ? Promise.reject(error) : urlOf(node));
      const logger = createLogger("gateway", "silent");
      const directory = new NodeDirectory({ registry, clock: () => time.now, logger, random: () => 0.5 });
      directory.measures.reachOf(nodes[0].address).failed(time.now);
      expect((await directory.list()).map(({ address }) => address)).to.deep.equal([nodes[1].address]);
      expect(directory.measures.answers(nodes[0].address)).to.equal(false);
      silent.add(nodes[1].address);
      time.now += 3;
      expect(await directory.list().catch((thrown: unknown) => thrown)).to.equal(error);
      await directory.close();
    });

    it("forgets what is older than ten minutes", async () => {
      const [node] = fixture.nodes;
      await payer.payAt(node);
      fixture.time.now += 660;
      expect((await payer.listed(node)).measures.versions).to.deep.equal([]);
      expect(demandJson.parse(await (await fixture.app.request("/v1/demand")).json()).versions).to.deep.equal([]);
    });

    it("says unknown_node for anything else", async () => {
      for (const address of [fixture.wallets.payer.address, "0x12", "any"]) {
        const response = await fixture.app.request(`/v1/nodes/${address}`);
        expect(response.status).to.equal(404);
        expect(await codeIn(response)).to.equal("unknown_node");
      }
    });
  });
});
