import { expect } from "chai";
import { type Block, type BlockTag, toBeHex, ZeroAddress } from "ethers";
import { network } from "hardhat";
import { readPaymentFacts } from "#chain/chainFacts.ts";
import { ChainHead } from "#chain/chainHead.ts";
import { PayerReaderAdapter, type WalletQuestion } from "#chain/payerReader.ts";
import { PayerStates } from "#chain/payerStates.ts";
import { OpgError } from "#protocol/errors.ts";
import { networkFixture, type NetworkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture, mine } = connection.networkHelpers;

const MAX_BLOCK_AGE_SECONDS = 60;

describe("PayerStates", () => {
  let fixture: NetworkFixture;
  let states: PayerStates;
  let now: number;
  let reads: number;
  /** Wallets that the last read was about. */
  let wallets: readonly WalletQuestion[];
  /** What a read waits for. */
  let holdUp: Promise<true> | undefined;
  /** Answers in place of the chain when it is asked for its newest block. */
  let blocks: (() => Promise<Block | null>) | undefined;

  beforeEach(async () => {
    fixture = await loadFixture(networkFixture);
    const { provider, addresses } = fixture;
    const reader = new PayerReaderAdapter(addresses.payerReader, provider);
    now = (await provider.getBlock("latest"))?.timestamp ?? 0;
    reads = 0;
    blocks = undefined;
    holdUp = undefined;
    const lagging = new Proxy(provider, {
      get: (target, name) => {
        if (name !== "getBlock") return Reflect.get(target, name) as unknown;
        return (tag: BlockTag) => (tag === "latest" && blocks ? blocks() : target.getBlock(tag));
      },
    });
    states = new PayerStates({
      provider,
      token: addresses.opg,
      head: new ChainHead(lagging),
      reader: {
        read: async (...question) => {
          reads++;
          [wallets] = question;
          await holdUp;
          return reader.read(...question);
        },
      },
      clock: () => now,
      maxBlockAgeSeconds: MAX_BLOCK_AGE_SECONDS,
    });
  });

  const questionOf = (payer: string, nonce = 0n) => {
    const { addresses } = fixture;
    return { token: addresses.opg, payer, nonce, digest: `0x${"11".repeat(32)}`, signature: "0x" };
  };
  const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> =>
    promise.then(
      () => undefined,
      (error: unknown) => (error as OpgError).code,
    );

  it("says what the chain says, of one block", async () => {
    const { provider, wallets } = fixture;
    for (const { address } of [wallets.payer, wallets.stranger]) {
      const facts = await states.factsOf(questionOf(address));
      const { number, timestamp } = facts.block;
      const fresh = await readPaymentFacts(provider, questionOf(address));
      expect({ ...facts, block: { number, timestamp } }).to.deep.equal(fresh);
    }
  });

  it("asks once for all who come at once, and never again at the same block", async () => {
    const { wallets } = fixture;
    const payers = [wallets.payer, wallets.stranger, wallets.faucet];
    await Promise.all(payers.map(({ address }) => states.factsOf(questionOf(address))));
    expect(reads).to.equal(1);
    await Promise.all(payers.map(({ address }) => states.factsOf(questionOf(address, 7n))));
    expect(reads).to.equal(1);
  });

  /** What comes before a payer is followed. */
  const pay = async (question: ReturnType<typeof questionOf>) => {
    await states.factsOf(question);
    states.follow(question);
    return states.factsOf(question);
  };

  it("knows every payer who has paid anew after a block, by one call", async () => {
    const { wallets } = fixture;
    const question = questionOf(wallets.payer.address);
    const before = await pay(question);
    await pay(questionOf(wallets.stranger.address));
    expect(reads, "what was known before is kept").to.equal(2);
    const task = await fixture.openTask();
    expect((await states.factsOf(question)).balance, "until the block is seen").to.equal(before.balance);
    reads = 0;
    const block = await states.advance();
    expect(block.number).to.equal(before.block.number + 1);
    const after = await states.factsOf({ ...question, nonce: task.nonce });
    expect([after.balance, after.nonceUsed]).to.deep.equal([before.balance - task.maxAmount, true]);
    await states.factsOf(questionOf(wallets.stranger.address));
    expect(reads).to.equal(1);
    expect(await states.advance()).to.deep.equal(block);
    expect(reads).to.equal(1);
  });

  it("follows nobody who has only asked, however often", async () => {
    const question = questionOf(fixture.wallets.payer.address);
    for (let round = 0; round < 3; round++) await states.factsOf(question);
    states.follow(questionOf(fixture.wallets.stranger.address));
    await mine(6);
    now += 6;
    await states.advance();
    await mine(1);
    reads = 0;
    await states.advance();
    expect(reads).to.equal(0);
    const { balance } = await states.factsOf(question);
    expect([reads, balance > 0n]).to.deep.equal([1, true]);
  });

  it("follows only so many of all other tokens, who push out none of the network's own", async () => {
    await pay(questionOf(fixture.wallets.payer.address));
    const others = Array.from({ length: 300 }, (_, index) => toBeHex(index + 1, 20));
    for (let round = 0; round < 2; round++) {
      await Promise.all(others.map((payer) => pay({ ...questionOf(payer), token: ZeroAddress })));
    }
    await mine(1);
    await states.advance();
    const own = wallets.filter(({ token }) => token === fixture.addresses.opg);
    expect([own.length, wallets.length - own.length]).to.deep.equal([1, 200]);
  });

  it("begins no read at a new block while one for an earlier block runs, and answers all the same", async () => {
    const question = questionOf(fixture.wallets.payer.address);
    await pay(question);
    await mine(1);
    const held = Promise.withResolvers<true>();
    holdUp = held.promise;
    reads = 0;
    await states.advance();
    for (let block = 0; block < 3; block++) {
      await mine(1);
      await states.advance();
    }
    expect(reads).to.equal(1);
    holdUp = undefined;
    await states.factsOf(question);
    held.resolve(true);
    await held.promise;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await mine(1);
    reads = 0;
    await states.advance();
    await states.factsOf(question);
    expect(reads, "it is followed again").to.equal(1);
  });

  it("counts a token that is none as empty, whatever else is asked for with it", async () => {
    const { wallets, addresses } = fixture;
    const { payer } = wallets;
    const [none, real] = await Promise.all([
      states.stateOf({ token: ZeroAddress, payer: payer.address }, 0n),
      states.stateOf({ token: addresses.opg, payer: payer.address }, 0n),
    ]);
    expect([none.balance, none.allowance, none.tokenHasCode]).to.deep.equal([0n, 0n, false]);
    expect([real.balance > 0n, real.tokenHasCode]).to.deep.equal([true, true]);
  });

  it("refuses to go by a block that is too old", async () => {
    const question = questionOf(fixture.wallets.payer.address);
    await states.factsOf(question);
    now += MAX_BLOCK_AGE_SECONDS;
    await states.factsOf(question);
    now += 1;
    expect(await codeOf(states.factsOf(question))).to.equal("chain_unavailable");
    await mine(1, { interval: 2 * MAX_BLOCK_AGE_SECONDS });
    await states.advance();
    await states.factsOf(question);
  });

  it("goes by no older block of an endpoint that lags, and by the new one where a block was replaced", async () => {
    const { provider, wallets } = fixture;
    const question = questionOf(wallets.payer.address);
    const snapshot: unknown = await provider.send("evm_snapshot", []);
    const task = await fixture.openTask();
    const before = await states.factsOf({ ...question, nonce: task.nonce });
    expect(before.nonceUsed).to.equal(true);
    blocks = async () => provider.getBlock(before.block.number - 1);
    expect(await states.advance()).to.deep.equal(before.block);
    blocks = undefined;
    await provider.send("evm_revert", [snapshot]);
    await mine(1);
    const replaced = await states.advance();
    expect([replaced.number, replaced.hash === before.block.hash]).to.deep.equal([before.block.number, false]);
    const after = await states.factsOf({ ...question, nonce: task.nonce });
    expect([after.nonceUsed, after.balance]).to.deep.equal([false, before.balance + task.maxAmount]);
  });

  it("follows nobody for ever who is not asked about", async () => {
    await pay(questionOf(fixture.wallets.payer.address));
    await mine(400);
    now += 400;
    await states.advance();
    await mine(1);
    reads = 0;
    await states.advance();
    expect(reads).to.equal(0);
  });
});
