import { expect } from "chai";
import { id, Signature, Wallet, ZeroAddress, ZeroHash } from "ethers";
import { network } from "hardhat";
import { accountEvents } from "#chain/accountEvents.ts";
import { AccountReaderAdapter } from "#chain/accountReader.ts";
import { AccountsAdapter } from "#chain/accounts.ts";
import { BatchesAdapter } from "#chain/batches.ts";
import { CallReverted, submitCall } from "#chain/submitCall.ts";
import { type Batch, batchIdOf, batchTypedData, creditsDigest, debitsDigest } from "#protocol/batch.ts";
import { authorizedDepositTypedData, depositTypedData, permittedDepositTypedData } from "#protocol/deposit.ts";
import { voucherTypedData } from "#protocol/voucher.ts";
import { certify, networkFixture, sign } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture, time } = connection.networkHelpers;

const authorizer = new Wallet(id("a key for vouchers"));
const amount = 100n;

/** An account of the payer's, funded by Permit2. */
async function accountsFixture() {
  const fixture = await networkFixture(connection);
  const { addresses, provider, wallets, chainId, deploymentBlock } = fixture;
  const accounts = new AccountsAdapter(addresses.taskEscrow, provider);
  const batches = new BatchesAdapter(addresses.settlement, provider);
  const key = { payer: wallets.payer.address, facilitator: wallets.facilitator.address };
  const deposit = { ...key, token: addresses.opg, taskEscrow: addresses.taskEscrow, amount };
  const permit2 = { nonce: 1n, deadline: 2n ** 40n };
  const signature = await sign(wallets.payer, depositTypedData(deposit, permit2, BigInt(chainId)));
  const call = accounts.populateDepositWithPermit2({ owner: key.payer, ...key, amount, ...permit2, signature });
  await submitCall(wallets.stranger, call);
  const events = () => accountEvents(provider, addresses.taskEscrow, key, { fromBlock: deploymentBlock });
  const tokenDomain = { name: "OPG", version: "1", chainId: BigInt(chainId), verifyingContract: addresses.opg };
  return { ...fixture, accounts, batches, key, deposit, events, tokenDomain, range: { fromBlock: deploymentBlock } };
}

/** A batch that takes 40 under a voucher of 60 and pays the operator, settled by the facilitator. */
async function settleOne({ accounts, batches, key, wallets, domainOf }: Awaited<ReturnType<typeof accountsFixture>>) {
  const { current } = await accounts.authorizersOf(key);
  const signer = current === key.payer ? wallets.payer : authorizer;
  const voucher = { ...key, cap: 60n };
  const debit = { account: key.payer, amount: 40n, cap: voucher.cap };
  const vouched = { ...debit, signature: await sign(signer, voucherTypedData(voucher, domainOf("taskEscrow"))) };
  const credits = [{ account: wallets.operator.address, amount: 40n }];
  const batch: Batch = {
    facilitator: key.facilitator,
    previous: await batches.headOf(key.facilitator),
    root: id("root"),
    debits: debitsDigest([debit]),
    credits: creditsDigest(3, credits),
    epoch: 1n,
  };
  const signatures = await certify(wallets.verifiers, batchTypedData(batch, domainOf("settlement")));
  const call = batches.populateSettleBatch(batch, 3, [vouched], credits, signatures);
  const { hash, blockNumber } = await submitCall(wallets.facilitator, call);
  const place = { transactionHash: hash, blockNumber };
  return { batch, batchId: batchIdOf(batch, domainOf("settlement")), place, call };
}

describe("AccountsAdapter", () => {
  it("deposits in four ways, and reads what is there and what happened", async () => {
    const { accounts, key, wallets, opg, deposit, tokenDomain, events, addresses } = await loadFixture(accountsFixture);
    const owner = key.payer;
    const terms = { owner, validAfter: 0n, validBefore: 2n ** 40n, salt: id("salt") };
    const authorization = await sign(wallets.payer, authorizedDepositTypedData(deposit, terms, tokenDomain));
    const authorized = { ...key, ...terms, amount, signature: authorization };
    await submitCall(wallets.stranger, accounts.populateDepositWithAuthorization(authorized));
    const permit = { owner, nonce: 0n, deadline: 2n ** 40n };
    const signature = await sign(wallets.payer, permittedDepositTypedData(deposit, permit, tokenDomain));
    await submitCall(wallets.payer, accounts.populateDepositWithPermit(key, amount, { ...permit, signature }));
    await opg.connect(wallets.payer).approve(addresses.taskEscrow, amount);
    const { hash, blockNumber } = await submitCall(wallets.payer, accounts.populateDeposit(key, amount));
    const expected = { balance: 4n * amount, spent: 0n, withdrawing: 0n, withdrawableAt: 0 };
    expect(await accounts.accountOf(key)).to.deep.equal(expected);
    expect(await accounts.accountOf(key, blockNumber - 1)).to.include({ balance: 3n * amount });
    const told = await events();
    expect(told.map(({ name }) => name)).to.deep.equal(Array(4).fill("Deposited"));
    const place = { transactionHash: hash, blockNumber };
    expect(told.at(-1)).to.deep.equal({ name: "Deposited", ...key, funder: owner, amount, ...place });
  });

  it("names an authorizer, withdraws, and tells both", async () => {
    const { accounts, key, wallets, events, parameters, now, opg } = await loadFixture(accountsFixture);
    const delay = await accounts.withdrawDelaySeconds();
    expect(delay).to.equal(parameters.withdrawDelaySeconds);
    await submitCall(wallets.payer, accounts.populateSetAuthorizer(key.facilitator, authorizer.address));
    const previousUntil = (await now()) + delay;
    const named = { previous: key.payer, previousUntil };
    expect(await accounts.authorizersOf(key)).to.deep.equal({ current: authorizer.address, ...named });
    await submitCall(wallets.payer, accounts.populateInitiateWithdraw(key.facilitator, 30n));
    const withdrawableAt = (await now()) + delay;
    expect(await accounts.accountOf(key)).to.include({ withdrawing: 30n, withdrawableAt });
    await time.increaseTo(withdrawableAt);
    const before = await opg.balanceOf(wallets.payer);
    await submitCall(wallets.stranger, accounts.populateFinalizeWithdraw(key));
    expect(await opg.balanceOf(wallets.payer)).to.equal(before + 30n);
    const told = (await events()).slice(1).map(({ transactionHash, blockNumber, ...event }) => {
      expect([transactionHash.length, blockNumber > 0]).to.deep.equal([66, true]);
      return event;
    });
    expect(told).to.deep.equal([
      { name: "AuthorizerSet", ...key, authorizer: authorizer.address, ...named },
      { name: "WithdrawalInitiated", ...key, amount: 30n, withdrawableAt },
      { name: "AccountWithdrawn", ...key, amount: 30n },
    ]);
  });
});

describe("BatchesAdapter", () => {
  it("settles a batch, and reads it, whom it paid and from whom it took", async () => {
    const fixture = await loadFixture(accountsFixture);
    const { batches, key, events, wallets, range } = fixture;
    expect(await batches.headOf(key.facilitator)).to.equal(ZeroHash);
    const { batch, batchId, place } = await settleOne(fixture);
    expect(await batches.headOf(key.facilitator)).to.equal(batchId);
    expect(await batches.headOf(key.facilitator, place.blockNumber - 1)).to.equal(ZeroHash);
    const { facilitator, epoch, root } = batch;
    const amounts = { nodeAmount: 34n, verifierAmount: 4n, treasuryAmount: 2n };
    const settled = { batchId, facilitator, epoch, root, receipts: 3n, ...amounts, ...place };
    expect(await batches.settledBatch(batchId, range)).to.deep.equal(settled);
    expect(await batches.settledBatch(id("another"), range)).to.equal(undefined);
    expect(await batches.settledBatches(range, key.facilitator)).to.deep.equal([settled]);
    expect(await batches.settledBatches(range, wallets.stranger.address)).to.deep.equal([]);
    const credit = { batchId, payee: wallets.operator.address, charge: 40n, nodeAmount: 34n, ...place };
    expect(await batches.creditsOf(wallets.operator.address, range)).to.deep.equal([credit]);
    expect(await batches.creditsIn(batchId, range)).to.deep.equal([credit]);
    const debited = { name: "AccountDebited", ...key, batchId, amount: 40n, ...place };
    expect((await events()).map(({ name }) => name)).to.deep.equal(["Deposited", "AccountDebited"]);
    expect((await events()).at(-1)).to.deep.equal(debited);
    const { provider, addresses } = fixture;
    const eventsOf = (of: object) => accountEvents(provider, addresses.taskEscrow, of, range);
    expect(await eventsOf({ facilitator: key.facilitator })).to.deep.equal(await events());
    expect(await eventsOf({ payer: key.payer.toLowerCase() })).to.deep.equal(await events());
    expect(await eventsOf({ payer: wallets.stranger.address })).to.deep.equal([]);
    expect(await eventsOf({ facilitator: wallets.stranger.address })).to.deep.equal([]);
  });

  it("says why a batch is refused", async () => {
    const fixture = await loadFixture(accountsFixture);
    const { call } = await settleOne(fixture);
    const refused = await submitCall(fixture.wallets.facilitator, call).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(CallReverted);
    expect((refused as CallReverted).revert?.name).to.equal("StaleHead");
  });

  it("takes vouchers' signatures of 64 and of 65 bytes", async () => {
    const { batches, key } = await loadFixture(accountsFixture);
    const full = Signature.from(await authorizer.signMessage("anything"));
    const zero = { facilitator: key.facilitator, previous: ZeroHash, root: ZeroHash, debits: ZeroHash };
    const batch: Batch = { ...zero, credits: ZeroHash, epoch: 1n };
    const calls = [full.serialized, full.compactSerialized].map((signature) => {
      const debit = { account: key.payer, amount: 1n, cap: 1n, signature };
      return batches.populateSettleBatch(batch, 1, [debit], [], "0x").data;
    });
    expect(calls[0]).to.equal(calls[1]);
  });
});

describe("AccountReaderAdapter", () => {
  it("reads many accounts at one block as the accounts themselves say", async () => {
    const fixture = await loadFixture(accountsFixture);
    const { accounts, key, wallets, addresses, provider } = fixture;
    const before = await provider.getBlockNumber();
    await submitCall(wallets.payer, accounts.populateSetAuthorizer(key.facilitator, authorizer.address));
    await submitCall(wallets.payer, accounts.populateInitiateWithdraw(key.facilitator, 30n));
    const { place } = await settleOne(fixture);
    const reader = new AccountReaderAdapter(addresses.payerReader, addresses.taskEscrow, provider);
    const payers = [wallets.stranger.address, key.payer];
    const [none, found] = await reader.read(key.facilitator, payers, place.blockNumber);
    const empty = {
      balance: 0n,
      spent: 0n,
      withdrawing: 0n,
      withdrawableAt: 0,
      previous: ZeroAddress,
      previousUntil: 0,
    };
    expect(none).to.deep.equal({ ...empty, current: wallets.stranger.address });
    expect(found).to.deep.equal({ ...(await accounts.accountOf(key)), ...(await accounts.authorizersOf(key)) });
    expect(found).to.include({ balance: 60n, spent: 40n, withdrawing: 30n, current: authorizer.address });
    const [earlier] = await reader.read(key.facilitator, [key.payer], before);
    expect(earlier).to.deep.equal({ ...empty, balance: amount, current: key.payer });
    expect(await reader.read(key.facilitator, [], before)).to.deep.equal([]);
  });
});
