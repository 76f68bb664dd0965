import { expect } from "chai";
import { concat, id, keccak256, ZeroHash } from "ethers";
import { batchIdOf, creditsDigest, shareWord, sharesOf } from "#protocol/batch.ts";
import { type Accounts, ann, bob, carl, funded, loadAccounts } from "./accountsFixture.ts";
import { ascending, ethers, mineAt, walletOf } from "./moneyFixture.ts";

const [nodeA, nodeB] = ascending([walletOf("node A"), walletOf("node B")]) as [string, string];

/** Ann has 1,000 at the facilitator, Bob 500. */
async function withFunds(): Promise<Accounts> {
  const accounts = await loadAccounts();
  await accounts.deposit(1_000n, ann);
  await accounts.deposit(500n, bob);
  return accounts;
}

/** Everything that a batch can change. */
async function books({ taskEscrow, settlement, accountOf, wallets }: Accounts) {
  const { verifierAmount, treasuryAmount, settledTasks } = await settlement.pools(1);
  return {
    accounts: [await accountOf(ann), await accountOf(bob)].map(({ balance, spent }) => [balance, spent]),
    earnings: [await taskEscrow.earnings(nodeA), await taskEscrow.earnings(nodeB)],
    pool: [verifierAmount, treasuryAmount, settledTasks],
    head: await settlement.heads(wallets.facilitator),
  };
}

describe("Settlement.settleBatch", () => {
  const charges = [
    { payer: ann, amount: 301n },
    { payer: bob, amount: 100n },
  ];
  const credits = sharesOf([
    { account: nodeA, amount: 250n },
    { account: nodeB, amount: 151n },
  ]);

  it("debits payers, pays nodes, feeds the pool and moves the head, all at once", async () => {
    const accounts = await withFunds();
    const { plan, submit, domainOf } = accounts;
    const planned = await plan(charges, { credits, receipts: 7 });
    await submit(planned);
    // Each node's 85 of 100 is rounded down, the verifiers' tenth of the sum too; the treasury has the rest.
    expect(await books(accounts)).to.deep.equal({
      accounts: [
        [699n, 301n],
        [400n, 100n],
      ],
      earnings: [212n, 128n],
      pool: [40n, 21n, 7n],
      head: batchIdOf(planned.batch, domainOf("settlement")),
    });
  });

  it("tells what it did", async () => {
    const { plan, submit, settlement, taskEscrow, wallets, domainOf } = await withFunds();
    const planned = await plan(charges, { credits, receipts: 7 });
    const batchId = batchIdOf(planned.batch, domainOf("settlement"));
    const facilitator = wallets.facilitator.address;
    const settled = submit(planned);
    await expect(settled)
      .to.emit(settlement, "BatchSettled")
      .withArgs(batchId, facilitator, 1n, planned.batch.root, 7n, 340n, 40n, 21n);
    await expect(settled).to.emit(settlement, "PayeeCredited").withArgs(batchId, nodeA, 250n, 212n);
    await expect(settled).to.emit(settlement, "PayeeCredited").withArgs(batchId, nodeB, 151n, 128n);
    const debits = planned.debits.map(({ share }) => share);
    await expect(settled).to.emit(taskEscrow, "AccountsDebited").withArgs(batchId, facilitator, debits);
    await expect(settled).to.emit(taskEscrow, "Earned").withArgs(nodeA, 212n);
  });

  it("moves no token: what it debits and what it credits are both in custody", async () => {
    const { settleBatch, opg, taskEscrow } = await withFunds();
    await expect(settleBatch(charges, { credits })).not.to.emit(opg, "Transfer");
    expect(await opg.balanceOf(taskEscrow)).to.equal(1_500n);
  });

  it("lets payees and verifiers withdraw what it paid, and payers the rest, to the last unit", async () => {
    const accounts = await withFunds();
    const { settleBatch, taskEscrow, opg, parameters, now, handOver, settlement, wallets, signCounts } = accounts;
    await settleBatch(charges, { credits, receipts: 7 });
    for (const node of [nodeA, nodeB]) await taskEscrow.withdraw(node);
    await handOver(wallets.verifiers);
    await mineAt((await now()) + parameters.graceSeconds + 1);
    const counts = { epoch: 1n, verifiers: ascending(wallets.verifiers), counts: [7n, 7n, 7n] };
    await settlement.closeEpoch(1n, counts.verifiers, counts.counts, await signCounts(counts));
    for (const account of [...counts.verifiers, parameters.treasury]) await taskEscrow.withdraw(account);
    for (const payer of [await funded(ann), await funded(bob)]) {
      await taskEscrow.connect(payer).initiateWithdraw(wallets.facilitator, 1_000n);
      await mineAt((await now()) + parameters.withdrawDelaySeconds);
      await taskEscrow.finalizeWithdraw(payer, wallets.facilitator);
    }
    expect(await opg.balanceOf(taskEscrow)).to.equal(0n);
    expect(await opg.balanceOf(ann)).to.equal(699n);
  });

  it("adds up: one batch after the other, each on the head before it", async () => {
    const accounts = await withFunds();
    await accounts.settleBatch([{ payer: ann, amount: 300n }]);
    await accounts.settleBatch([{ payer: ann, amount: 200n, cap: 500n }]);
    expect(await accounts.accountOf(ann)).to.include({ balance: 500n, spent: 500n });
  });

  it("is paid under the previous epoch's certificate while that is accepted", async () => {
    const { plan, submit, handOver, wallets, settlement, verifierSet, now, parameters } = await withFunds();
    const inGrace = await plan([{ payer: ann, amount: 300n }]);
    await handOver(wallets.verifiers);
    await submit(inGrace);
    expect((await settlement.pools(1)).settledTasks).to.equal(1n);
    const late = await plan([{ payer: ann, amount: 1n, cap: 301n }]);
    await mineAt((await now()) + parameters.graceSeconds + 1);
    await expect(submit(late)).to.be.revertedWithCustomError(verifierSet, "EpochNotAccepted").withArgs(1n, 2n);
  });

  it("is the facilitator's to submit, or a signer's of its entry, whoever certified it", async () => {
    const { plan, submit, settlement, facilitatorEntry, wallets } = await withFunds();
    const { facilitator, stranger, verifiers } = wallets;
    const planned = await plan(charges, { credits });
    for (const by of [stranger, verifiers[0]]) {
      await expect(submit(planned, { by, signers: verifiers }))
        .to.be.revertedWithCustomError(settlement, "NotTheFacilitator")
        .withArgs(by.address, facilitator.address);
    }
    await facilitatorEntry.connect(facilitator).setSigner(stranger.address, true);
    await submit(planned, { by: stranger });
    await facilitatorEntry.connect(facilitator).setSigner(stranger.address, false);
    await expect(submit(await plan([]), { by: stranger })).to.be.revertedWithCustomError(
      settlement,
      "NotTheFacilitator",
    );
  });

  it("is refused to a stranger also where the facilitator has no entry", async () => {
    const { plan, submit, settlement, wallets } = await withFunds();
    const planned = await plan([], { facilitator: bob.address });
    await expect(submit(planned, { by: wallets.stranger }))
      .to.be.revertedWithCustomError(settlement, "NotTheFacilitator")
      .withArgs(wallets.stranger.address, bob.address);
  });

  describe("chains on the facilitator's batch before it", () => {
    it("and is settled once", async () => {
      const { plan, submit, settlement, wallets } = await withFunds();
      const planned = await plan(charges, { credits });
      await submit(planned);
      await expect(submit(planned))
        .to.be.revertedWithCustomError(settlement, "StaleHead")
        .withArgs(ZeroHash, await settlement.heads(wallets.facilitator));
    });

    it("so that of two on the same head one is settled", async () => {
      const { plan, submit, settlement, wallets } = await withFunds();
      const [one, other] = [await plan([{ payer: ann, amount: 1n }]), await plan([{ payer: ann, amount: 2n }])];
      await submit(other);
      const head = await settlement.heads(wallets.facilitator);
      await expect(submit(one)).to.be.revertedWithCustomError(settlement, "StaleHead").withArgs(ZeroHash, head);
      await expect(submit(await plan([], { previous: id("made up") })))
        .to.be.revertedWithCustomError(settlement, "StaleHead")
        .withArgs(id("made up"), head);
    });

    it("and on no other facilitator's", async () => {
      const { settleBatch, plan, submit, settlement, wallets } = await withFunds();
      await settleBatch([{ payer: ann, amount: 1n }]);
      const { stranger } = wallets;
      await submit(await plan([], { facilitator: stranger.address, previous: ZeroHash }), { by: stranger });
      expect(await settlement.heads(stranger)).not.to.equal(await settlement.heads(wallets.facilitator));
    });
  });

  describe("needs a certificate", () => {
    it("of a threshold of the verifiers", async () => {
      const { plan, submit, verifierSet, wallets } = await withFunds();
      const planned = await plan(charges, { credits });
      await expect(submit(planned, { signers: wallets.verifiers.slice(0, 1) }))
        .to.be.revertedWithCustomError(verifierSet, "TooFewSignatures")
        .withArgs(1, 2);
      const [verifier] = wallets.verifiers;
      await expect(submit(planned, { signers: [verifier, wallets.stranger] })).to.be.revertedWithCustomError(
        verifierSet,
        "NotAMember",
      );
    });

    it("made for this chain and this contract", async () => {
      const { plan, submit, addresses } = await withFunds();
      const planned = await plan(charges, { credits });
      for (const domain of [{ chainId: 1n }, { verifyingContract: addresses.taskEscrow }]) {
        // Signatures over another digest recover to addresses that nobody has, in any order.
        await expect(submit(planned, { domain })).to.be.revert(ethers);
      }
      await submit(planned, { domain: {} });
    });

    it("over exactly these debits", async () => {
      const { plan, submit, settlement } = await withFunds();
      const planned = await plan(charges, { credits });
      const [first, second] = planned.debits as [(typeof planned.debits)[0], (typeof planned.debits)[0]];
      const less = { ...first, share: shareWord({ account: ann.address, amount: 300n }) };
      for (const debits of [[first], [less, second], []]) {
        const actual = keccak256(concat(debits.map(({ share }) => share)));
        await expect(submit({ ...planned, debits }))
          .to.be.revertedWithCustomError(settlement, "DebitsMismatch")
          .withArgs(actual, planned.batch.debits);
      }
    });

    it("over exactly these credits and this number of receipts", async () => {
      const { plan, submit, settlement } = await withFunds();
      const planned = await plan(charges, { credits, receipts: 7 });
      const shares = credits.map((credit, index) => (index === 1 ? { ...credit, amount: 152n } : credit));
      await expect(submit({ ...planned, credits: shares.map(shareWord) }))
        .to.be.revertedWithCustomError(settlement, "CreditsMismatch")
        .withArgs(creditsDigest(7, shares), planned.batch.credits);
      await expect(submit({ ...planned, receipts: 8 }))
        .to.be.revertedWithCustomError(settlement, "CreditsMismatch")
        .withArgs(creditsDigest(8, credits), planned.batch.credits);
    });

    it("but a newer voucher may stand in for the one that was there", async () => {
      const { plan, submit, accountOf } = await withFunds();
      const planned = await plan(charges, { credits });
      const { debits } = await plan(charges.map((charge) => ({ ...charge, cap: 10_000n })));
      await submit({ ...planned, debits });
      expect(await accountOf(ann)).to.include({ spent: 301n });
    });
  });

  it("credits exactly what it debits, whoever certified it", async () => {
    const { plan, submit, settlement, wallets } = await withFunds();
    for (const amount of [400n, 402n]) {
      const planned = await plan(charges, { credits: [{ account: nodeA, amount }] });
      await expect(submit(planned, { signers: wallets.verifiers }))
        .to.be.revertedWithCustomError(settlement, "UnbalancedBatch")
        .withArgs(401n, amount);
    }
  });

  it("takes each payer and each payee once, in ascending order", async () => {
    const { plan, submit, settlement, taskEscrow } = await withFunds();
    const [first, second] = charges as [(typeof charges)[0], (typeof charges)[0]];
    for (const [one, other] of [
      [second, first],
      [first, first],
    ] as const) {
      await expect(submit(await plan([one, other])))
        .to.be.revertedWithCustomError(taskEscrow, "PayersNotAscending")
        .withArgs(one.payer.address, other.payer.address);
    }
    const [a, b] = credits as [(typeof credits)[0], (typeof credits)[0]];
    for (const [one, other] of [
      [b, a],
      [a, a],
    ] as const) {
      await expect(submit(await plan(charges, { credits: [one, other] })))
        .to.be.revertedWithCustomError(settlement, "PayeesNotAscending")
        .withArgs(one.account, other.account);
    }
  });

  it("is all or nothing: what one payer cannot cover is taken from none", async () => {
    const accounts = await withFunds();
    const before = await books(accounts);
    const tooMuch = [...charges, { payer: carl, amount: 1n }];
    await expect(accounts.settleBatch(tooMuch))
      .to.be.revertedWithCustomError(accounts.taskEscrow, "BalanceTooLow")
      .withArgs(carl.address, 0n, 1n);
    expect(await books(accounts)).to.deep.equal(before);
    await accounts.settleBatch(charges, { credits });
  });

  it("goes on while entries are paused", async () => {
    const { settleBatch, setPaused, accountOf } = await withFunds();
    await setPaused(true);
    await settleBatch(charges, { credits });
    expect(await accountOf(bob)).to.include({ balance: 400n, spent: 100n });
  });

  it("divides by the fees of the day", async () => {
    const { settleBatch, govern, addresses, settlement, taskEscrow } = await withFunds();
    const data = settlement.interface.encodeFunctionData("setFees", [0, 0]);
    await govern({ to: addresses.settlement, data });
    await settleBatch(charges, { credits });
    expect([await taskEscrow.earnings(nodeA), await taskEscrow.earnings(nodeB)]).to.deep.equal([250n, 151n]);
  });
});
