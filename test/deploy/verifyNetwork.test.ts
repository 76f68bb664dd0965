import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VerifyContractArgs } from "@nomicfoundation/hardhat-verify/verify";
import { expect } from "chai";
import { concat, Interface } from "ethers";
import hre, { network } from "hardhat";
import { deployNetwork } from "#deploy/deployNetwork.ts";
import { parametersOf } from "#deploy/parameters.ts";
import { verifyNetwork } from "#deploy/verifyNetwork.ts";
import { approvedMeasurement } from "#test/contracts/fixture.ts";

const parameters = parametersOf("default", approvedMeasurement);

describe("verifyNetwork", () => {
  const recordsFolder = mkdtempSync(join(tmpdir(), "opg-verify-"));
  after(() => rmSync(recordsFolder, { recursive: true }));

  it("shows every contract with the constructor arguments that its creation code ends in", async () => {
    const connection = await network.create();
    const deployed = await deployNetwork({ hre, connection, recordsFolder }, parameters);
    const shown = new Map<string, VerifyContractArgs & { contract: string }>();
    await verifyNetwork(hre, { deployed, recordsFolder, parameters }, async (contract) => {
      shown.set(contract.address, contract as VerifyContractArgs & { contract: string });
      return true;
    });
    const entryImplementation = await deployed.connected.taskEscrow.ENTRY_IMPLEMENTATION();
    const expected = [...Object.values(deployed.contracts), entryImplementation];
    expect([...shown.keys()].sort()).to.deep.equal(expected.sort());

    const inputs: string[] = [];
    for (let block = deployed.deploymentBlock; block <= (await connection.ethers.provider.getBlockNumber()); block++) {
      const { prefetchedTransactions } = (await connection.ethers.provider.getBlock(block, true))!;
      inputs.push(...prefetchedTransactions.map(({ data }) => data));
    }
    for (const { contract, address, constructorArgs } of shown.values()) {
      if ([deployed.contracts.taskEscrow, entryImplementation].includes(address)) continue;
      const { abi, bytecode } = await hre.artifacts.readArtifact(contract);
      const encoded = new Interface(abi).encodeDeploy(constructorArgs ?? []);
      expect(inputs, contract).to.include(concat([bytecode, encoded]));
    }
    const { taskEscrow, opg, accessManager } = deployed.contracts;
    expect(shown.get(taskEscrow)?.constructorArgs?.slice(0, 3)).to.deep.equal([
      opg,
      await deployed.connected.taskEscrow.PERMIT2(),
      accessManager,
    ]);
  });

  it("goes on where an explorer refuses, and says so", async () => {
    const deployed = await deployNetwork(
      { hre, connection: await network.create(), recordsFolder: join(recordsFolder, "second") },
      parameters,
    );
    const verifications = await verifyNetwork(
      hre,
      { deployed, recordsFolder: join(recordsFolder, "second"), parameters },
      async ({ address }) => {
        if (address === deployed.contracts.opg) throw new Error("busy");
        return true;
      },
    );
    expect(verifications.some(({ problem }) => problem === undefined)).to.equal(true);
    expect(
      new Set(verifications.filter(({ problem }) => problem !== undefined).map(({ contract }) => contract)),
    ).to.deep.equal(new Set(["contracts/money/OPG.sol:OPG"]));
  });
});
