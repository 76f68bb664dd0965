import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { governedFunctions } from "#deploy/networkModule.ts";
import { ethers, loadMoney, type Money, walletOf } from "./moneyFixture.ts";

/** The whole list of what governance may do to the money contracts. */
const governed = {
  OPG: [],
  VerifierSet: ["cancelInstallation", "scheduleInstallation"],
  TaskEscrow: ["setEntriesPaused", "setFacilitator"],
  FacilitatorEntry: [],
  Settlement: ["setFees", "setTreasury"],
} as const;

/** Every other function that changes state: what everyone may call, and what only another contract may. */
const others = {
  OPG: [
    "approve",
    "cancelAuthorization",
    "permit",
    "receiveWithAuthorization",
    "transfer",
    "transferFrom",
    "transferWithAuthorization",
  ],
  VerifierSet: ["handover", "install", "setAuthority"],
  TaskEscrow: [
    "capture",
    "charge",
    "createEntry",
    "credit",
    "debit",
    "deposit",
    "depositWithAuthorization",
    "depositWithPermit",
    "depositWithPermit2",
    "finalizeWithdraw",
    "initiateWithdraw",
    "open",
    "openUpto",
    "refund",
    "refuse",
    "setAuthority",
    "setAuthorizer",
    "withdraw",
  ],
  FacilitatorEntry: ["pull", "setSigner", "settle"],
  Settlement: ["capture", "closeEpoch", "refuse", "setAuthority", "settle", "settleBatch"],
} as const;

type ContractName = keyof typeof governed;
const contractNames = Object.keys(governed) as ContractName[];

async function changingFunctions(name: ContractName): Promise<string[]> {
  const functions: string[] = [];
  (await ethers.getContractFactory(name)).interface.forEachFunction((fragment) => {
    if (!fragment.constant) functions.push(fragment.name);
  });
  return functions.sort();
}

const call = ({ settlement }: Money, verifierBps: number, treasuryBps: number): string =>
  settlement.interface.encodeFunctionData("setFees", [verifierBps, treasuryBps]);

describe("Governance of the money contracts", () => {
  for (const name of contractNames) {
    it(`has of ${name} exactly: ${governed[name].join(", ") || "nothing"}`, async () => {
      expect(await changingFunctions(name)).to.deep.equal([...governed[name], ...others[name]].sort());
    });
  }

  it("is deployed with exactly these functions", () => {
    const names = (functions: readonly { name: string }[]) => functions.map(({ name }) => name).sort();
    expect(names(governedFunctions.verifierSet)).to.deep.equal([...governed.VerifierSet]);
    expect(names(governedFunctions.taskEscrow)).to.deep.equal([...governed.TaskEscrow]);
    expect(names(governedFunctions.settlement)).to.deep.equal([...governed.Settlement]);
  });

  it("is refused to everybody else", async () => {
    const { settlement, taskEscrow, verifierSet, wallets } = await loadMoney();
    for (const outsider of [wallets.stranger, wallets.deployer, wallets.governor, wallets.treasury]) {
      for (const attempt of [
        () => taskEscrow.connect(outsider).setEntriesPaused(true),
        () => taskEscrow.connect(outsider).setFacilitator(outsider.address, true),
        () => settlement.connect(outsider).setFees(0, 0),
        () => settlement.connect(outsider).setTreasury(outsider.address),
        () => verifierSet.connect(outsider).scheduleInstallation([outsider.address], 1),
        () => verifierSet.connect(outsider).cancelInstallation(ethers.ZeroHash),
        () => verifierSet.connect(outsider).setAuthority(outsider.address),
        () => taskEscrow.connect(outsider).setAuthority(outsider.address),
        () => settlement.connect(outsider).setAuthority(outsider.address),
      ]) {
        await expect(attempt())
          .to.be.revertedWithCustomError(taskEscrow, "AccessManagedUnauthorized")
          .withArgs(outsider.address);
      }
    }
  });

  it("moves fees within their bounds", async () => {
    const money = await loadMoney();
    const { settlement, addresses, govern } = money;
    await govern({ to: addresses.settlement, data: call(money, 2_000, 1_000) });
    expect([...(await settlement.fees())]).to.deep.equal([2_000n, 1_000n]);
    for (const [verifierBps, treasuryBps] of [
      [2_001, 0],
      [0, 1_001],
      [2n ** 16n + 1n, 0],
    ] as const) {
      const data = settlement.interface.encodeFunctionData("setFees", [verifierBps, treasuryBps]);
      await expect(govern({ to: addresses.settlement, data }))
        .to.be.revertedWithCustomError(settlement, "FeesOutOfBounds")
        .withArgs(verifierBps, treasuryBps);
    }
    await govern({ to: addresses.settlement, data: call(money, 0, 0) });
    expect([...(await settlement.fees())]).to.deep.equal([0n, 0n]);
  });

  it("changes no balance, no lock and no pool by moving fees or the treasury", async () => {
    const money = await loadMoney();
    const { settlement, taskEscrow, opg, addresses, parameters, govern, openTask, settle } = money;
    const payout = walletOf("payout").address;
    await settle(await openTask({ nonce: 1n, maxAmount: 1_000n }), { payout, amount: 1_000n });
    const open = await openTask({ nonce: 2n, maxAmount: 1_000n });
    const accounts = [addresses.taskEscrow, open.payer, parameters.treasury, payout];
    const state = async () => ({
      balances: await Promise.all(accounts.map((account) => opg.balanceOf(account))),
      earnings: await Promise.all(accounts.map((account) => taskEscrow.earnings(account))),
      pool: [...(await settlement.pools(1))],
      lock: [...(await taskEscrow.locks(await taskEscrow.taskIdOf(open)))],
    });
    const before = await state();
    await govern({ to: addresses.settlement, data: call(money, 2_000, 1_000) });
    const nextTreasury = walletOf("next treasury").address;
    const data = settlement.interface.encodeFunctionData("setTreasury", [nextTreasury]);
    await govern({ to: addresses.settlement, data });
    expect(await state()).to.deep.equal(before);
    await settle(open, { payout, amount: 1_000n });
    expect(await taskEscrow.earnings(payout)).to.equal(850n + 700n);
  });

  it("names no treasury that nobody has", async () => {
    const { settlement, addresses, govern } = await loadMoney();
    const data = settlement.interface.encodeFunctionData("setTreasury", [ZeroAddress]);
    await expect(govern({ to: addresses.settlement, data })).to.be.revertedWithCustomError(settlement, "ZeroAddress");
  });

  describe("constructor of Settlement", () => {
    const deploy = async (changes: object) => {
      const { addresses, parameters } = await loadMoney();
      return ethers.deployContract("Settlement", [
        {
          token: addresses.opg,
          permit2: ZeroAddress,
          verifierSet: addresses.verifierSet,
          authority: addresses.accessManager,
          treasury: walletOf("treasury").address,
          maxTaskSeconds: parameters.maxTaskSeconds,
          settleWindowSeconds: parameters.settleWindowSeconds,
          withdrawDelaySeconds: parameters.withdrawDelaySeconds,
          closeSeconds: parameters.closeSeconds,
          verifierBps: parameters.verifierBps,
          treasuryBps: parameters.treasuryBps,
          ...changes,
        },
      ]);
    };

    it("has the same bounds as governance", async () => {
      const { settlement } = await loadMoney();
      await expect(deploy({ verifierBps: 2_001 }))
        .to.be.revertedWithCustomError(settlement, "FeesOutOfBounds")
        .withArgs(2_001, 500);
      await expect(deploy({ treasury: ZeroAddress })).to.be.revertedWithCustomError(settlement, "ZeroAddress");
    });

    it("refuses verifiers who could be replaced sooner than a payer can leave", async () => {
      const { settlement, parameters } = await loadMoney();
      const { maxTaskSeconds, installDelaySeconds } = parameters;
      const settleWindowSeconds = installDelaySeconds - maxTaskSeconds;
      await expect(deploy({ settleWindowSeconds }))
        .to.be.revertedWithCustomError(settlement, "InstallDelayTooShort")
        .withArgs(installDelaySeconds, installDelaySeconds);
      await deploy({ settleWindowSeconds: settleWindowSeconds - 1 });
      await expect(deploy({ withdrawDelaySeconds: installDelaySeconds }))
        .to.be.revertedWithCustomError(settlement, "InstallDelayTooShort")
        .withArgs(installDelaySeconds, installDelaySeconds);
      await deploy({ withdrawDelaySeconds: installDelaySeconds - 1 });
    });

    it("deploys an escrow that knows no other settlement, and settles nothing else", async () => {
      const { settlement, taskEscrow, addresses } = await loadMoney();
      expect(await settlement.ESCROW()).to.equal(addresses.taskEscrow);
      expect(await taskEscrow.SETTLEMENT()).to.equal(addresses.settlement);
      expect(await settlement.VERIFIERS()).to.equal(addresses.verifierSet);
    });
  });
});
