import { expect } from "chai";
import { id, type TransactionResponse, Wallet } from "ethers";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { VerifierSetAdapter } from "#chain/verifierSet.ts";
import { AdmissionDuty } from "#node/admissionDuty.ts";
import { createEnclave } from "#node/enclave/createEnclave.ts";
import { makeKeys } from "#node/enclave/makeKeys.ts";
import { domainIn } from "#protocol/network.ts";
import { createLogger } from "#service/logger.ts";
import { testPlatform } from "#test/attestation/testRoot.ts";
import { type NodeNetwork, startNodeNetwork } from "./nodeNetwork.ts";

const url = "https://node.example:8411";

describe("admission", () => {
  let network: NodeNetwork;

  before(async function () {
    this.timeout(60_000);
    network = await startNodeNetwork();
  });

  after(() => network.close());

  /** The duty of a new node. */
  async function startDuty(operator: Wallet = network.fixture.wallets.operator) {
    const { fixture, clock, executor, network: description } = network;
    const { provider, addresses, deploymentBlock } = fixture;
    const platform = testPlatform(clock);
    const domains = {
      taskEscrow: domainIn(description, "taskEscrow"),
      settlement: domainIn(description, "settlement"),
      nodeRegistry: domainIn(description, "nodeRegistry"),
    };
    const owner = { operator: operator.address, payout: operator.address };
    const verifiers = description.verifiers.map(({ address }) => address);
    const bound = { ...owner, domains, verifiers };
    const enclave = createEnclave({ platform, executor, clock, ...bound }, await makeKeys(clock()));
    const nodeRegistry = new NodeRegistryAdapter(addresses.nodeRegistry, provider, deploymentBlock);
    const verifierSet = new VerifierSetAdapter(addresses.verifierSet, provider);
    const logger = createLogger("node", "silent");
    const duty = new AdmissionDuty({
      network: description,
      enclave,
      operator,
      provider,
      nodeRegistry,
      verifierSet,
      url,
      clock,
      logger,
    });
    return { duty, node: enclave.identity.node, nodeRegistry };
  }

  it("admits the node, announces its URL, and renews before the lease ends", async () => {
    const { duty, node, nodeRegistry } = await startDuty();
    const { maxLeaseSeconds } = network.fixture.parameters;
    expect(await duty.step()).to.be.closeTo(maxLeaseSeconds / 2, 30);
    const first = await nodeRegistry.node(node);
    expect(await nodeRegistry.isActive(node)).to.equal(true);
    expect(await nodeRegistry.urlOf(node)).to.equal(url);
    expect(first.sequence).to.equal(1);

    await passSeconds(maxLeaseSeconds / 2 - 100);
    expect(await duty.step()).to.be.closeTo(100, 30);
    expect((await nodeRegistry.node(node)).sequence).to.equal(1);

    await passSeconds(200);
    expect(await duty.step()).to.be.closeTo(maxLeaseSeconds / 2, 30);
    const renewed = await nodeRegistry.node(node);
    expect(renewed.sequence).to.equal(2);
    expect(renewed.leaseUntil).to.be.greaterThan(first.leaseUntil);
    expect(renewed.tlsKeyHash).to.equal(first.tlsKeyHash);
  });

  it("waits longer and longer while too few verifiers answer, and needs a threshold only", async () => {
    const { duty, node, nodeRegistry } = await startDuty();
    const [first, second] = network.verifiers;
    await Promise.all([first!.stop(), second!.stop()]);
    expect([await duty.step(), await duty.step(), await duty.step()]).to.deep.equal([1, 2, 4]);
    expect(await nodeRegistry.isActive(node)).to.equal(false);

    await first!.start();
    await duty.step();
    expect(await nodeRegistry.isActive(node)).to.equal(true);
    await second!.start();
  });

  it("submits nothing when verifiers sign something else", async () => {
    const { duty, node, nodeRegistry } = await startDuty();
    const [first, second] = network.verifiers;
    for (const verifier of [first!, second!]) {
      verifier.tamper = (route, answer) => (route === "/admissions" ? { ...answer, signature: id("no") } : answer);
    }
    expect(await duty.step()).to.equal(1);
    expect((await nodeRegistry.node(node)).sequence).to.equal(0);
    for (const verifier of [first!, second!]) verifier.tamper = (_route, answer) => answer;
    await duty.step();
    expect((await nodeRegistry.node(node)).sequence).to.equal(1);
  });

  it("goes on when its operator cannot pay for the admission", async () => {
    const poor = new Wallet(id("without ether"), network.fixture.provider);
    const { duty, node, nodeRegistry } = await startDuty(poor);
    expect(await duty.step()).to.equal(1);
    expect(await nodeRegistry.isActive(node)).to.equal(false);
  });

  it("does not wait for good for a transaction that was dropped", async () => {
    const operator = new Wallet(network.fixture.wallets.operator.privateKey);
    const { duty, node, nodeRegistry } = await startDuty(operator);
    const real = operator.connect.bind(operator);
    operator.connect = () => {
      operator.connect = real;
      const wait: TransactionResponse["wait"] = (_confirms, timeoutMs) =>
        timeoutMs ? Promise.reject(new Error("wait for transaction timeout")) : new Promise(() => undefined);
      return { sendTransaction: async () => ({ wait }) } as unknown as Wallet;
    };
    expect(await duty.step()).to.equal(1);
    await duty.step();
    expect(await nodeRegistry.isActive(node)).to.equal(true);
  });

  async function passSeconds(seconds: number): Promise<void> {
    await network.fixture.connection.networkHelpers.time.increase(seconds);
    network.time.leadSeconds += seconds;
  }
});
