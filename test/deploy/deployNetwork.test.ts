import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { keccak256 } from "ethers";
import hre, { network } from "hardhat";
import { deployNetwork } from "#deploy/deployNetwork.ts";
import { parametersOf } from "#deploy/parameters.ts";
import { deployPermit2, permit2AddressOf, permit2InitCodeHash } from "#deploy/permit2.ts";
import { readRecord } from "#deploy/records.ts";
import { placeProxies, requireProxies } from "#deploy/x402Proxies.ts";
import { OpgError } from "#protocol/errors.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { proxyAddresses } from "#protocol/proxyPayment.ts";
import { approvedMeasurement } from "#test/contracts/fixture.ts";

const parameters = parametersOf("default", approvedMeasurement);

async function rejection(promise: Promise<unknown>): Promise<OpgError> {
  return promise.then(
    () => {
      throw new Error("nothing was thrown");
    },
    (error: unknown) => {
      if (error instanceof OpgError) return error;
      throw error;
    },
  );
}

describe("deployNetwork", () => {
  let recordsFolder: string;
  beforeEach(() => (recordsFolder = mkdtempSync(join(tmpdir(), "opg-deploy-"))));
  afterEach(() => rmSync(recordsFolder, { recursive: true }));

  it("changes nothing when it runs again: same addresses, no transaction", async () => {
    const connection = await network.create();
    const first = await deployNetwork({ hre, connection, recordsFolder }, parameters);
    const { provider } = connection.ethers;
    const before = [await provider.getBlockNumber(), await provider.getTransactionCount(await deployer(connection))];
    const second = await deployNetwork({ hre, connection, recordsFolder }, parameters);
    expect(second.contracts).to.deep.equal(first.contracts);
    expect(second.deploymentBlock).to.equal(first.deploymentBlock);
    const after = [await provider.getBlockNumber(), await provider.getTransactionCount(await deployer(connection))];
    expect(after).to.deep.equal(before);
  });

  it("records addresses and the first block that can hold an event", async () => {
    const connection = await network.create();
    const { chainId, contracts, facilitators, deploymentBlock, connected } = await deployNetwork(
      { hre, connection, recordsFolder },
      parameters,
    );
    expect(readRecord(recordsFolder, chainId)).to.deep.equal({ chainId, deploymentBlock, contracts, facilitators });
    const [began] = await connected.verifierSet.queryFilter(connected.verifierSet.filters.EpochBegan());
    expect(deploymentBlock).to.be.at.most(began!.blockNumber);
    const code = (blockTag: number) => connection.ethers.provider.getCode(contracts.accessManager, blockTag);
    expect([await code(deploymentBlock - 1), (await code(deploymentBlock)) !== "0x"]).to.deep.equal(["0x", true]);
  });

  it("gives every facilitator its entry", async () => {
    const connection = await network.create();
    const another = "0x00000000000000000000000000000000000fac11";
    const facilitators = [...parameters.facilitators, another];
    const deployed = await deployNetwork({ hre, connection }, { ...parameters, facilitators });
    expect(deployed.facilitators.map(({ address }) => address.toLowerCase())).to.deep.equal(
      facilitators.map((address) => address.toLowerCase()),
    );
    for (const { address, entry } of deployed.facilitators) {
      const contract = await connection.ethers.getContractAt("FacilitatorEntry", entry);
      expect([await contract.isSigner(address), await contract.isSigner(PERMIT2)]).to.deep.equal([true, false]);
    }
  });

  it("keeps no record of a local chain unless it is told where", async () => {
    const folder = join(hre.config.paths.root, "deploy");
    const before = readdirSync(folder);
    await deployNetwork({ hre, connection: await network.create() }, parameters);
    expect(readdirSync(folder)).to.deep.equal(before);
  });

  it("does not believe the records of a chain that is gone", async () => {
    await deployNetwork({ hre, connection: await network.create(), recordsFolder }, parameters);
    const error = await rejection(
      deployNetwork({ hre, connection: await network.create(), recordsFolder }, parameters),
    );
    expect(error.code).to.equal("configuration");
    expect(error.message).to.include("a chain that is gone");
  });

  it("refuses other parameters for a network that stands", async () => {
    const connection = await network.create();
    await deployNetwork({ hre, connection, recordsFolder }, parameters);
    const other = { ...parameters, closeSeconds: parameters.closeSeconds + 1 };
    const error = await rejection(deployNetwork({ hre, connection, recordsFolder }, other));
    expect(error.code).to.equal("configuration");
    expect(error.message).to.include("OpgNetwork#Settlement");
  });

  it("asks a public chain for Permit2 and does not bring it", async () => {
    const connection = await network.create({ network: "default", override: { chainId: 84_532 } });
    const error = await rejection(deployNetwork({ hre, connection, recordsFolder }, parameters));
    expect([error.code, error.values["permit2"]]).to.deep.equal(["configuration", PERMIT2]);
    expect(await connection.ethers.provider.getBlockNumber()).to.equal(0);
  });

  it("asks a public chain for x402's proxies and does not bring them", async () => {
    const connection = await network.create({ network: "default", override: { chainId: 84_532 } });
    await connection.networkHelpers.setCode(PERMIT2, "0x00");
    const error = await rejection(deployNetwork({ hre, connection, recordsFolder }, parameters));
    expect([error.code, error.values["proxy"]]).to.deep.equal(["configuration", proxyAddresses.exact]);
    expect(await connection.ethers.provider.getCode(proxyAddresses.exact)).to.equal("0x");
  });
});

describe("placeProxies and requireProxies", () => {
  const runtimeCode = { exact: "0x6001", upto: "0x6002" };

  it("put code where stock clients expect x402's proxies, and leave what is there", async () => {
    const { provider } = await network.create();
    const codeOf = (scheme: "exact" | "upto") =>
      provider.request({ method: "eth_getCode", params: [proxyAddresses[scheme], "latest"] });
    const missing = await rejection(requireProxies(provider));
    expect([missing.code, missing.values["proxy"]]).to.deep.equal(["configuration", proxyAddresses.exact]);
    await placeProxies(provider, runtimeCode);
    await placeProxies(provider, { exact: "0x6003", upto: "0x6003" });
    expect([await codeOf("exact"), await codeOf("upto")]).to.deep.equal(["0x6001", "0x6002"]);
    await requireProxies(provider);
  });
});

describe("deployPermit2", () => {
  it("puts Uniswap's own bytecode at its canonical address, once", async () => {
    const connection = await network.create();
    const { bytecode } = await hre.artifacts.readArtifact("Permit2");
    expect(keccak256(bytecode)).to.equal(permit2InitCodeHash);
    expect(permit2AddressOf(permit2InitCodeHash)).to.equal(PERMIT2);
    await deployPermit2(connection.provider, bytecode);
    expect(await connection.ethers.provider.getCode(PERMIT2)).not.to.equal("0x");
    const block = await connection.ethers.provider.getBlockNumber();
    await deployPermit2(connection.provider, bytecode);
    expect(await connection.ethers.provider.getBlockNumber()).to.equal(block);
  });

  it("refuses any other bytecode", async () => {
    const connection = await network.create();
    const error = await rejection(deployPermit2(connection.provider, "0x6000"));
    expect([error.code, error.values["initCodeHash"]]).to.deep.equal(["configuration", keccak256("0x6000")]);
  });
});

async function deployer(connection: Awaited<ReturnType<typeof network.create>>): Promise<string> {
  const [signer] = await connection.ethers.getSigners();
  return signer!.address;
}
