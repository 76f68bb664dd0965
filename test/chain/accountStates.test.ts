import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { network } from "hardhat";
import { AccountReaderAdapter } from "#chain/accountReader.ts";
import { AccountStates } from "#chain/accountStates.ts";
import { ChainHead } from "#chain/chainHead.ts";
import { networkFixture, type NetworkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture, mine } = connection.networkHelpers;

describe("AccountStates", () => {
  let fixture: NetworkFixture;
  let states: AccountStates;
  let now: number;
  /** Payers of each read. */
  let reads: (readonly string[])[];

  beforeEach(async () => {
    fixture = await loadFixture(networkFixture);
    const { provider, addresses, wallets } = fixture;
    const reader = new AccountReaderAdapter(addresses.payerReader, addresses.taskEscrow, provider);
    now = (await provider.getBlock("latest"))?.timestamp ?? 0;
    reads = [];
    states = new AccountStates({
      head: new ChainHead(provider),
      read: (payers, block) => {
        reads.push(payers);
        return reader.read(wallets.facilitator.address, payers, block);
      },
      clock: () => now,
      maxBlockAgeSeconds: 60,
    });
  });

  const initiate = async (amount: bigint): Promise<void> => {
    const { taskEscrow, wallets } = fixture;
    await (await taskEscrow.connect(wallets.payer).initiateWithdraw(wallets.facilitator.address, amount)).wait();
  };
  const payer = () => fixture.wallets.payer.address;

  it("says what the chain says, of one block", async () => {
    await initiate(7n);
    const newest = await fixture.provider.getBlock("latest");
    now = newest?.timestamp ?? 0;
    const { block, withdrawableAt, ...facts } = await states.stateOf(payer());
    expect(block.hash).to.equal(newest?.hash);
    expect(withdrawableAt).to.be.greaterThan(now);
    expect(facts).to.deep.equal({
      ...{ balance: 0n, spent: 0n, withdrawing: 7n },
      ...{ current: payer(), previous: ZeroAddress, previousUntil: 0 },
    });
  });

  it("reads together what is asked for together, and a known account once per block", async () => {
    const { wallets } = fixture;
    const asked = [payer(), wallets.stranger.address, payer()];
    const found = await Promise.all(asked.map((address) => states.stateOf(address)));
    expect(reads).to.deep.equal([[payer(), wallets.stranger.address]]);
    for (const account of found.slice(0, 2)) states.follow(account.current, account);
    await states.stateOf(payer());
    expect(reads).to.have.length(1);
    await mine();
    await states.advance();
    await Promise.all([states.stateOf(payer()), states.stateOf(payer())]);
    // Nobody has come back for the other one.
    expect(reads.slice(1)).to.deep.equal([[payer()]]);
    expect(states.size).to.equal(2);
  });

  it("follows nobody whose authorizer has not signed", async () => {
    for (let block = 0; block < 3; block++) {
      await states.stateOf(payer());
      await mine();
      await states.advance();
    }
    expect(states.size).to.equal(0);
    expect(reads).to.have.length(3);
  });

  it("tells of a withdrawal from the next block on", async () => {
    const first = await states.stateOf(payer());
    states.follow(payer(), first);
    await initiate(5n);
    expect((await states.stateOf(payer())).withdrawing).to.equal(0n);
    await states.advance();
    expect((await states.stateOf(payer())).withdrawing).to.equal(5n);
  });

  it("says nothing by a block that is too old", async () => {
    await states.stateOf(payer());
    now += 100;
    const failure = await states.stateOf(payer()).catch((error: unknown) => error);
    expect(failure).to.deep.include({ code: "chain_unavailable" });
  });
});
