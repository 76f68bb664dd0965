import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { getBytes, id, sha256, Wallet } from "ethers";
import { type Client, type ClientOptions, createClient, type Fetch, memoryState, OpgError } from "#client/index.ts";
import { askNode, fileState } from "#client/node.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { makeKeys } from "#node/enclave/makeKeys.ts";
import { createApp } from "#service/httpApp.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { approvedMeasurement } from "#test/contracts/fixture.ts";
import { someInputs } from "#test/gateway/doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { lyingChain, type ToldEntry } from "./lyingChain.ts";
import { lyingGateway, type Lies } from "./lyingGateway.ts";
import { fetchFrom, payingClient } from "./payingClient.ts";

const wanted = { model: "doubling", inputs: someInputs };

async function refusalOf(call: Promise<unknown>): Promise<OpgError> {
  const error = await call.catch((cause: unknown) => cause);
  if (error instanceof OpgError) return error;
  throw new Error("nothing was refused", { cause: error });
}

describe("a client that holds nodes to the registry", () => {
  let fixture: GatewayFixture;
  /** What was signed, and what the gateway was sent: payments, and requests with their inputs. */
  let sent: { signatures: number; payments: number; requests: number };

  before(async () => {
    fixture = await gatewayFixture();
  });
  beforeEach(() => (sent = { signatures: 0, payments: 0, requests: 0 }));
  after(() => fixture.stop());

  function watchedClient(fetch: Fetch, options: Partial<ClientOptions> = {}): Client {
    const { payer } = fixture.wallets;
    const signer = {
      address: payer.address,
      signTypedData: (...document: Parameters<typeof payer.signTypedData>) => {
        sent.signatures += 1;
        return payer.signTypedData(...document);
      },
    };
    const watched: Fetch = (url, init) => {
      if (url.endsWith("/v1/infer")) sent.requests += 1;
      if (init.headers["payment-signature"] !== undefined) sent.payments += 1;
      return fetch(url, init);
    };
    return payingClient(fixture, { signer, fetch: watched, ...options });
  }

  async function expectRefused(call: Promise<unknown>, reason: string, values: object = {}): Promise<void> {
    const refused = await refusalOf(call);
    expect(refused.code).to.equal("node_refused");
    expect(refused.values).to.include({ reason, ...values });
    expect(sent).to.include({ signatures: 0, payments: 0 });
  }

  const offering = (lie: NonNullable<Lies["offer"]>): Fetch => lyingGateway(fixture, { offer: lie });
  const telling = (lie: Partial<ToldEntry>): Fetch => lyingChain(fetchFrom(fixture), fixture.network.rpcUrl, lie);
  const nameOf = (index: 0 | 1): string => fixture.nodes[index].address;

  describe("signs nothing", () => {
    it("for a node that was never admitted", async () => {
      const node = Wallet.createRandom().address;
      await expectRefused(watchedClient(offering((_, task) => (task.node = node))).infer(wanted), "not_admitted", {
        node,
      });
    });

    it("for a node whose lease ends before the task's deadline", async () => {
      const { leaseUntil } = await payingClient(fixture).node(nameOf(0));
      const lie: Lies["offer"] = (_, task) => Object.assign(task, { node: nameOf(0), deadline: leaseUntil + 1 });
      const client = watchedClient(offering(lie), { clock: () => leaseUntil - 100 });
      await expectRefused(client.infer(wanted), "lease_too_short", { node: nameOf(0), leaseUntil });
    });

    it("for a node of another measurement than it insists on", async () => {
      const client = watchedClient(fetchFrom(fixture), { measurements: [id("another")] });
      await expectRefused(client.infer(wanted), "measurement_not_accepted", { measurement: approvedMeasurement });
    });

    it("where the chain does not answer", async () => {
      const dead: Fetch = async (url, init) =>
        url === fixture.network.rpcUrl ? new Response("", { status: 502 }) : fetchFrom(fixture)(url, init);
      expect((await refusalOf(watchedClient(dead).infer(wanted))).code).to.equal("chain_unavailable");
      expect(sent.signatures).to.equal(0);
    });

    it("when a plain call names such a node, or one is to be paid out of an account", async () => {
      const lying = offering((_, task) => (task.node = Wallet.createRandom().address));
      const body = JSON.stringify(wanted);
      const init = { method: "POST", headers: { "content-type": "application/json" }, body };
      const client = watchedClient(lying, { maxAmount: 10_000n, account: { maxAtStake: 10_000n } });
      await expectRefused(client.fetch(`${fixture.network.gateway}/v1/infer`, init), "not_admitted");
      await expectRefused(client.infer(wanted), "not_admitted");
      expect(await client.account.show()).to.include({ cap: 0n, reserved: 0n });
    });

    it("when the chain tells something else of a node than it did before, also after a restart", async () => {
      const folder = await mkdtemp(join(tmpdir(), "opg-pins-"));
      const restarted = (fetch: Fetch): Client => watchedClient(fetch, { state: fileState(folder) });
      for (const { address } of fixture.nodes) await restarted(fetchFrom(fixture)).node(address);
      const [address, digest] = [fixture.wallets.stranger.address, id("another")];
      const lies = { operator: address, payout: address, measurement: digest, tlsKeyHash: digest };
      for (const [field, lie] of Object.entries(lies)) {
        await expectRefused(restarted(telling({ [field]: lie })).infer(wanted), "identity_changed", { field });
      }
      expect((await restarted(fetchFrom(fixture)).infer(wanted)).receipt.result.amount).to.equal(1_096n);
      await rm(folder, { recursive: true });
    });
  });

  it("signs for a node of the measurement that it insists on", async () => {
    const measurements = [id("another"), approvedMeasurement.toUpperCase().replace("0X", "0x")];
    expect((await watchedClient(fetchFrom(fixture), { measurements }).infer(wanted)).outputs).to.have.property("y");
  });

  it("asks for another offer where only the node is not acceptable", async () => {
    const lying = offering((_, task) => (sent.requests < 3 ? (task.node = Wallet.createRandom().address) : undefined));
    expect((await watchedClient(lying).infer(wanted)).outputs).to.have.property("y");
    expect(sent).to.deep.equal({ signatures: 1, payments: 1, requests: 4 });
  });

  it("asks the chain once for a node, and not again for half a minute", async () => {
    const time = { now: fixture.time.now };
    let asked = 0;
    const only = offering((_, task) => (task.node = nameOf(0)));
    const counting: Fetch = (url, init) => {
      if (url === fixture.network.rpcUrl) asked += 1;
      return only(url, init);
    };
    const client = watchedClient(counting, { clock: () => time.now });
    await client.infer(wanted);
    expect(asked).to.equal(2);
    time.now += 29;
    await client.infer(wanted);
    expect(asked).to.equal(2);
    time.now += 1;
    await client.infer(wanted);
    expect(asked).to.equal(4);
  });

  it("gives out nothing for a result that is paid elsewhere than the registry says", async () => {
    const [one, other] = fixture.nodes;
    for (const node of fixture.nodes) node.payout = fixture.wallets.stranger.address;
    try {
      const refused = await refusalOf(payingClient(fixture).infer(wanted));
      expect(refused.code).to.equal("invalid_receipt");
      expect(refused.values).to.include({ part: "result.payout" });
    } finally {
      one.payout = other.payout = fixture.wallets.operator.address;
    }
  });

  describe("gives the key to seal a request with", () => {
    afterEach(() => expect(sent.requests, "nothing may be sent before").to.equal(0));

    type Told = Record<string, string | number | null>;

    /** A gateway that tells of nodes what the registry and they themselves say, but for the lies. */
    function nodeTelling(lies: Told): Fetch {
      const { nodeRegistry } = fixture.network.contracts;
      const registry = new NodeRegistryAdapter(nodeRegistry, fixture.provider, 0);
      return async (url, init) => {
        const [, address] = /\/v1\/nodes\/(0x\w{40})$/.exec(url) ?? [];
        if (address === undefined) return fetchFrom(fixture)(url, init);
        const { operator, measurement, leaseUntil, tlsKeyHash } = await registry.node(address);
        const admitted = await payingClient(fixture).node(address);
        const { hpkeConfig } = await askNode(admitted);
        const told = { node: address, operator, url: admitted.url, measurement, leaseUntil, tlsKeyHash, hpkeConfig };
        return Response.json({ ...told, ...lies });
      };
    }

    it("as the node was admitted with it, whether the gateway or the node tells it", async () => {
      const client = watchedClient(nodeTelling({}));
      const node = await client.node(nameOf(0));
      const { hpkeConfig } = await askNode(node);
      expect(await client.sealingKey(nameOf(0))).to.deep.equal(getBytes(hpkeConfig));
      expect(await client.sealingKey(nameOf(0), hpkeConfig)).to.deep.equal(getBytes(hpkeConfig));
    });

    it("and the new one at once where it was admitted anew with it", async () => {
      const { nodeRegistry, makeAdmission, signAdmission, wallets } = fixture;
      const node = wallets.node.address;
      const admit = async (sequence: number, key: string): Promise<void> => {
        const admission = await makeAdmission({ sequence, hpkeKeyHash: sha256(key) });
        const { enclaveSignature, certificate } = await signAdmission(admission);
        await nodeRegistry.admit(admission, enclaveSignature, certificate);
      };
      const client = watchedClient(fetchFrom(fixture));
      await admit(1, "0x01");
      expect(await client.sealingKey(node, "0x01")).to.deep.equal(getBytes("0x01"));
      await admit(2, "0x02");
      expect(await client.sealingKey(node, "0x02")).to.deep.equal(getBytes("0x02"));
      await expectRefused(client.sealingKey(node, "0x01"), "sealing_key", { node });
    });

    it("and none that was swapped", async () => {
      const { hpkeConfig } = await askNode(await payingClient(fixture).node(nameOf(1)));
      const client = watchedClient(nodeTelling({ hpkeConfig }));
      await expectRefused(client.sealingKey(nameOf(0)), "sealing_key", { node: nameOf(0) });
      await expectRefused(client.sealingKey(nameOf(0), hpkeConfig), "sealing_key");
      const silent = watchedClient(nodeTelling({ hpkeConfig: null }));
      expect((await refusalOf(silent.sealingKey(nameOf(0)))).code).to.equal("node_unavailable");
    });

    it("and none for a fake entry of a node", async () => {
      const [address, digest] = [Wallet.createRandom().address, id("another")];
      const lies: Told = {
        node: address,
        operator: address,
        measurement: digest,
        tlsKeyHash: digest,
        hpkeKeyHash: digest,
      };
      for (const [field, lie] of Object.entries(lies)) {
        const client = watchedClient(nodeTelling({ [field]: lie }));
        await expectRefused(client.sealingKey(nameOf(0)), "entry_mismatch", { node: nameOf(0), field });
      }
    });
  });

  it("asks a node itself only where it holds its TLS key", async () => {
    const keys = await makeKeys(fixture.time.now);
    const app = createApp(createLogger("node", "silent"), 1_000);
    let asked = 0;
    app.get("/info", (context) => context.json({ asked: (asked += 1) }));
    const impostor = await startHttpServer(app, { host: "127.0.0.1", port: 0, tls: keys.tls });
    const node = await payingClient(fixture).node(nameOf(0));
    try {
      expect(await askNode(node)).to.include({ node: nameOf(0), payout: node.payout });
      await expectRefused(askNode({ ...node, url: impostor.url }), "tls_key", { node: nameOf(0) });
      expect(asked).to.equal(0);
      const own = { ...node, url: impostor.url, tlsKeyHash: keys.identity.tlsKeyHash };
      expect((await refusalOf(askNode(own))).code).to.equal("node_unavailable");
      expect(asked).to.equal(1);
      await expectRefused(askNode({ ...node, payout: nameOf(1) }), "entry_mismatch", { field: "payout" });
      for (const url of [node.url.replace("https", "http"), "", "https://127.0.0.1:9/"]) {
        expect((await refusalOf(askNode({ ...node, url }))).code, url).to.equal("node_unavailable");
      }
    } finally {
      await impostor.close(0);
    }
  });

  it("says what it needs to hold a node to anything", async () => {
    const { gateway } = fixture.network;
    const signer = fixture.wallets.payer;
    const blind = createClient({ gateway, signer, fetch: fetchFrom(fixture) });
    expect((await refusalOf(blind.node(nameOf(0)))).code).to.equal("configuration");
    expect((await refusalOf(payingClient(fixture).node("0x12"))).code).to.equal("configuration");
    expect((await refusalOf(payingClient(fixture).sealingKey(nameOf(0), "key"))).code).to.equal("configuration");
    const insisting = (measurements: string[]) => () => payingClient(fixture, { measurements });
    for (const made of [
      insisting([]),
      insisting(["0x12"]),
      () => createClient({ gateway, signer, measurements: [approvedMeasurement] }),
    ]) {
      expect(made).to.throw(OpgError).with.property("code", "configuration");
    }
  });

  // These change the registry for good, and so stand last.
  describe("signs nothing any more", () => {
    it("for a node that was retired, whoever else knows it", async () => {
      await fixture.nodeRegistry.connect(fixture.wallets.operator).retire(nameOf(0));
      const client = watchedClient(
        offering((_, task) => (task.node = nameOf(0))),
        { state: memoryState() },
      );
      await expectRefused(client.infer(wanted), "retired", { node: nameOf(0) });
    });

    it("for a node whose measurement was ended", async () => {
      const data = fixture.nodeRegistry.interface.encodeFunctionData("setMeasurement", [approvedMeasurement, 0, 1]);
      await fixture.govern({ to: fixture.network.contracts.nodeRegistry, data });
      const client = watchedClient(offering((_, task) => (task.node = nameOf(1))));
      await expectRefused(client.infer(wanted), "measurement_ended", { measurement: approvedMeasurement });
    });

    it("for a node whose lease has ended", async () => {
      const { leaseUntil } = await fixture.nodeRegistry.nodes(nameOf(1));
      const now = Number(leaseUntil);
      const lie: Lies["offer"] = (_, task) => Object.assign(task, { node: nameOf(1), deadline: now + 100 });
      await expectRefused(watchedClient(offering(lie), { clock: () => now }).infer(wanted), "lease_ended", {
        leaseUntil: now,
      });
    });
  });
});
