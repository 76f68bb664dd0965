import { expect } from "chai";
import { id, type Interface, type Wallet, ZeroHash } from "ethers";
import { network } from "hardhat";
import { ADMIN_ROLE, GOVERNANCE_ROLE, governedFunctions } from "#deploy/networkModule.ts";
import { approvedMeasurement, networkFixture, type NetworkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;
const fixture = () => loadFixture(networkFixture);

type Governed = keyof typeof governedFunctions;

const nextSet = (members: readonly Wallet[]) =>
  members.map(({ address }) => address).sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));

/** One call of every function that governance has, and what shows that it took effect. */
const powers: {
  contract: Governed;
  name: string;
  args: (network: NetworkFixture) => unknown[];
  done: (network: NetworkFixture) => Promise<unknown>;
}[] = [
  {
    contract: "taskEscrow",
    name: "setFacilitator",
    args: ({ wallets }) => [wallets.stranger.address, true],
    done: ({ taskEscrow, wallets }) => taskEscrow.isFacilitator(wallets.stranger.address),
  },
  {
    contract: "taskEscrow",
    name: "setEntriesPaused",
    args: () => [true],
    done: ({ taskEscrow }) => taskEscrow.entriesPaused(),
  },
  {
    contract: "settlement",
    name: "setFees",
    args: () => [700, 300],
    done: async ({ settlement }) => (await settlement.fees()).verifierBps === 700n,
  },
  {
    contract: "settlement",
    name: "setTreasury",
    args: ({ wallets }) => [wallets.stranger.address],
    done: async ({ settlement, wallets }) => (await settlement.treasury()) === wallets.stranger.address,
  },
  {
    contract: "verifierSet",
    name: "scheduleInstallation",
    args: ({ wallets }) => [nextSet([wallets.stranger]), 1],
    done: async ({ verifierSet, wallets }) => {
      const hash = await verifierSet.setHash(nextSet([wallets.stranger]), 1);
      return (await verifierSet.queryFilter(verifierSet.filters.InstallationScheduled(hash))).length === 1;
    },
  },
  {
    contract: "nodeRegistry",
    name: "setMeasurement",
    args: () => [id("image"), 1, 2],
    done: async ({ nodeRegistry }) => (await nodeRegistry.measurements(id("image"))).until === 2n,
  },
  {
    contract: "nodeRegistry",
    name: "setAdmissionsPaused",
    args: () => [true],
    done: ({ nodeRegistry }) => nodeRegistry.admissionsPaused(),
  },
];

describe("the deployed network", () => {
  it("stands with the parameters it was given", async () => {
    const { parameters, wallets, opg, verifierSet, settlement, taskEscrow, nodeRegistry, addresses } = await fixture();
    expect(await opg.balanceOf(wallets.faucet.address)).to.be.greaterThan(0n);
    expect(await verifierSet.members()).to.deep.equal(nextSet(wallets.verifiers));
    expect((await verifierSet.epochs(1)).threshold).to.equal(parameters.threshold);
    expect(await settlement.fees()).to.deep.equal([1_000n, 500n]);
    expect(await settlement.treasury()).to.equal(wallets.treasury.address);
    expect(await settlement.ESCROW()).to.equal(addresses.taskEscrow);
    expect(await taskEscrow.TOKEN()).to.equal(addresses.opg);
    expect(await taskEscrow.MAX_TASK_SECONDS()).to.equal(parameters.maxTaskSeconds);
    expect(await nodeRegistry.MAX_LEASE_SECONDS()).to.equal(parameters.maxLeaseSeconds);
    expect(await taskEscrow.isFacilitator(wallets.facilitator.address)).to.equal(true);
    expect((await nodeRegistry.measurements(approvedMeasurement)).until).to.equal(2n ** 40n - 1n);
  });

  it("takes its powers from one AccessManager", async () => {
    const { addresses, settlement, taskEscrow, verifierSet, nodeRegistry } = await fixture();
    for (const contract of [settlement, taskEscrow, verifierSet, nodeRegistry]) {
      expect(await contract.authority()).to.equal(addresses.accessManager);
    }
  });

  it("leaves every role with the timelock and nobody else", async () => {
    const { accessManager, addresses, wallets } = await fixture();
    const holders = new Map<string, Set<string>>([
      [String(ADMIN_ROLE), new Set()],
      [String(GOVERNANCE_ROLE), new Set()],
    ]);
    const changes = [
      ...(await accessManager.queryFilter("RoleGranted")),
      ...(await accessManager.queryFilter("RoleRevoked")),
    ].map((log) => accessManager.interface.parseLog(log)!.args);
    for (const { roleId, account } of changes as unknown as { roleId: bigint; account: string }[]) {
      const [isMember] = (await accessManager.getFunction("hasRole")(roleId, account)) as [boolean, bigint];
      const members = holders.get(String(roleId)) ?? new Set<string>();
      holders.set(String(roleId), members);
      if (isMember) members.add(account);
    }
    const timelockOnly = [addresses.timelock];
    expect([...holders].map(([role, members]) => [role, [...members]])).to.deep.equal([
      [String(ADMIN_ROLE), timelockOnly],
      [String(GOVERNANCE_ROLE), timelockOnly],
    ]);
    expect(changes.map(({ account }) => account as string)).to.include(wallets.deployer.address);
  });

  it("leaves the timelock to its proposers and executors, without an admin of its own", async () => {
    const { timelock, addresses, wallets } = await fixture();
    const granted = (await timelock.queryFilter("RoleGranted")).map((log) => {
      const { role, account } = timelock.interface.parseLog(log)!.args as unknown as { role: string; account: string };
      return [role, account];
    });
    const roleOf = (name: string): Promise<string> => timelock.getFunction(name)() as Promise<string>;
    const governor = wallets.governor.address;
    expect(granted).to.deep.equal([
      [await roleOf("DEFAULT_ADMIN_ROLE"), addresses.timelock],
      [await roleOf("PROPOSER_ROLE"), governor],
      [await roleOf("CANCELLER_ROLE"), governor],
      [await roleOf("EXECUTOR_ROLE"), governor],
    ]);
  });

  it("gives governance exactly the restricted functions", async () => {
    const { accessManager, addresses, ...contracts } = await fixture();
    const isGoverned = accessManager.getFunction("getTargetFunctionRole");
    for (const [name, functions] of Object.entries(governedFunctions)) {
      const contract = contracts[name as Governed];
      const governed: string[] = [];
      (contract.interface as Interface).forEachFunction((fragment) => governed.push(fragment.selector));
      const roles = await Promise.all(governed.map((selector) => isGoverned(addresses[name as Governed], selector)));
      const withRole = governed.filter((_, index) => roles[index] === GOVERNANCE_ROLE);
      expect(withRole.sort(), name).to.deep.equal(functions.map(({ selector }) => selector).sort());
    }
  });

  for (const { contract, name, args, done } of powers) {
    describe(`${contract}.${name}`, () => {
      it("works through the timelock", async () => {
        const network = await fixture();
        const call = (network[contract].interface as Interface).encodeFunctionData(name, args(network));
        expect(await done(network)).to.equal(false);
        await network.govern({ to: network.addresses[contract], data: call });
        expect(await done(network)).to.equal(true);
      });

      it("is refused to everyone else, and to the timelock before the delay is over", async () => {
        const network = await fixture();
        const { wallets, timelock, addresses, parameters, connection } = network;
        const data = (network[contract].interface as Interface).encodeFunctionData(name, args(network));
        const to = addresses[contract];
        for (const wallet of [wallets.deployer, wallets.governor, wallets.facilitator]) {
          await expect(wallet.call({ to, data }))
            .to.be.revertedWithCustomError(network[contract], "AccessManagedUnauthorized")
            .withArgs(wallet.address);
        }
        const operation = [to, 0, data, ZeroHash, ZeroHash];
        const delay = parameters.timelockDelaySeconds;
        const schedule = timelock.interface.encodeFunctionData("schedule", [...operation, delay]);
        await wallets.governor.sendTransaction({ to: addresses.timelock, data: schedule });
        await connection.networkHelpers.time.increase(delay - 2);
        const execute = timelock.interface.encodeFunctionData("execute", operation);
        const attempt = () => wallets.governor.call({ to: addresses.timelock, data: execute });
        await expect(attempt()).to.be.revertedWithCustomError(timelock, "TimelockUnexpectedOperationState");
        await connection.networkHelpers.time.increase(2);
        await attempt();
      });
    });
  }

  it("takes an installation back through the timelock only", async () => {
    const network = await fixture();
    const { verifierSet, wallets, addresses, govern } = network;
    const members = nextSet([wallets.stranger]);
    const hash = await verifierSet.setHash(members, 1);
    await govern({
      to: addresses.verifierSet,
      data: verifierSet.interface.encodeFunctionData("scheduleInstallation", [members, 1]),
    });
    await expect(verifierSet.cancelInstallation(hash))
      .to.be.revertedWithCustomError(verifierSet, "AccessManagedUnauthorized")
      .withArgs(wallets.deployer.address);
    await govern({
      to: addresses.verifierSet,
      data: verifierSet.interface.encodeFunctionData("cancelInstallation", [hash]),
    });
    expect(await verifierSet.queryFilter(verifierSet.filters.InstallationCancelled(hash))).to.have.length(1);
  });
});
