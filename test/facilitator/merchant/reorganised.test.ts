import { expect } from "chai";
import { ask, askUntil } from "#test/facilitator/ask.ts";
import { type EngineNetwork, startEngineNetwork } from "./engineNetwork.ts";

const GWEI = 10n ** 9n;

type Facilitator = Awaited<ReturnType<EngineNetwork["start"]>>;

describe("a reorganisation of the chain (failure 10: what it takes back is submitted again)", function () {
  this.timeout(120_000);
  let net: EngineNetwork;
  let facilitator: Facilitator;

  before(async () => {
    net = await startEngineNetwork();
    facilitator = await net.start("reorganised", 1);
  });
  afterEach(() => net.goOnMining());
  after(() => net.close());

  const blockOf = async (hash: string) => (await net.provider.getTransactionReceipt(hash))?.blockHash;
  const stateOf = async (digest: string) => (await facilitator.store.findPayment(digest))?.state;
  /** A payment whose merchant was told of its success, `depth` blocks ago with the one that holds it. */
  const settled = async (depth: number) => {
    const payer = await net.makePayer(1000n);
    const body = await net.verified(facilitator.server, await net.pay(payer));
    const settling = facilitator.server.settle(body);
    const digest = net.digestOf(body);
    await net.until("it is settled", async () => (await stateOf(digest)) === "settled");
    await net.stopMining();
    const answer = await settling;
    expect(answer.success).to.equal(true);
    const included = (await net.provider.getTransactionReceipt(answer.transaction))?.blockNumber ?? 0;
    while ((await net.provider.getBlockNumber()) - included + 1 < depth) await net.mine();
    const blocks = (await net.provider.getBlockNumber()) - included + 1;
    return { payer, body, digest, answer, blocks, block: await blockOf(answer.transaction) };
  };

  for (const [title, depth] of [
    ["takes back a merchant's settlement that was told: it comes back, and is paid once", 1],
    ["does so two blocks deep", 2],
    ["does so three blocks deep", 3],
  ] as const) {
    it(title, async () => {
      const { payer, body, digest, answer, blocks, block } = await settled(depth);
      await net.reorg(blocks);
      await net.goOnMining();
      await net.until("it is in another block", async () => {
        const now = await blockOf(answer.transaction);
        return now !== undefined && now !== block && (await stateOf(digest)) === "settled";
      });
      expect(await facilitator.server.settle(body)).to.deep.equal(answer);
      expect(await net.opg.balanceOf(payer.address)).to.equal(0n);
      expect((await facilitator.store.findPayment(digest))?.reorged).to.equal(true);
    });
  }

  it("is found out after a restart, if it came while the facilitator was away", async () => {
    const { body, digest, answer, blocks } = await settled(2);
    await net.stop(facilitator.daemon);
    await net.reorg(blocks);
    expect(await blockOf(answer.transaction)).to.equal(undefined);
    await net.goOnMining();
    facilitator = await net.start("reorganised", 1);
    await net.until("it is settled again", async () => (await blockOf(answer.transaction)) !== undefined);
    await net.until("it is known", async () => (await stateOf(digest)) === "settled");
    expect(await facilitator.server.settle(body)).to.deep.equal(answer);
  });

  it("that puts something before a settlement which makes it impossible is a loss with a reason of its own", async () => {
    const { payer, body, digest, blocks } = await settled(1);
    const raw = await net.signEmptying(payer, 1000n);
    await net.reorg(blocks, [raw]);
    await net.goOnMining();
    await net.until("it has failed", async () => (await stateOf(digest)) === "failed");
    const answer = await facilitator.server.settle(body);
    expect(answer).to.deep.include({ success: false, errorReason: "permit2_insufficient_balance" });
    expect(await facilitator.store.lossCounts()).to.deep.include({ reason: "reorganised", count: 1 });
    const { lost } = await facilitator.store.exposureOf(payer.address, await net.opg.getAddress());
    expect(lost).to.equal(1000n);
  });

  it("in which somebody else settles is the success that it is, by their transaction", async () => {
    const payer = await net.makePayer(1000n);
    const body = await net.verified(facilitator.server, await net.pay(payer, { scheme: "exact" }));
    const first = await facilitator.server.settle(body);
    await net.stopMining();
    const { data, to } = (await net.provider.getTransaction(first.transaction)) ?? {};
    const nonce = await net.provider.getTransactionCount(payer.address);
    const fees = { maxFeePerGas: 900n * GWEI, maxPriorityFeePerGas: GWEI, gasLimit: 300_000n, type: 2 };
    const call = { to: to ?? "", data: data ?? "", nonce, chainId: net.network.chainId };
    const raw = await payer.signTransaction({ ...call, ...fees });
    const included = (await net.provider.getTransactionReceipt(first.transaction))?.blockNumber ?? 0;
    await net.reorg((await net.provider.getBlockNumber()) - included + 1, [raw]);
    await net.goOnMining();
    await net.until("another transaction pays", async () => {
      const again = await facilitator.server.settle(body).catch(() => undefined);
      return again?.success === true && again.transaction !== first.transaction;
    });
    await net.until("it is recorded when it is deep", async () => (await stateOf(net.digestOf(body))) === "settled");
    expect(await net.opg.balanceOf(payer.address)).to.equal(0n);
  });

  it("before a settlement counts changes nothing: no merchant is told before OPG_CONFIRMATIONS", async () => {
    await net.stop(facilitator.daemon);
    facilitator = await net.start("reorganised", 1, { OPG_CONFIRMATIONS: "3" });
    const payer = await net.makePayer(1000n);
    const body = await net.verified(facilitator.server, await net.pay(payer));
    await net.stopMining();
    let answer: Awaited<ReturnType<typeof facilitator.server.settle>> | undefined;
    const settling = facilitator.server.settle(body).then((told) => (answer = told));
    await net.until("it waits for a block", async () => (await net.pool()) === 1);
    await net.mine();
    await net.mine();
    expect(await net.opg.balanceOf(payer.address)).to.equal(0n);
    await net.reorg(2);
    expect(await net.opg.balanceOf(payer.address)).to.equal(1000n);
    expect(answer).to.equal(undefined);
    await net.goOnMining();
    const told = await settling;
    expect(told.success).to.equal(true);
    const included = (await net.provider.getTransactionReceipt(told.transaction))?.blockNumber ?? Infinity;
    expect((await net.provider.getBlockNumber()) - included + 1).to.be.at.least(3);
    expect((await facilitator.store.findPayment(net.digestOf(body)))?.reorged).to.equal(false);
    await net.stop(facilitator.daemon);
    facilitator = await net.start("reorganised", 1);
  });

  it("of a task's lock and settlement, sent by two signers: both come back, whatever comes first", async () => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    const at = `${facilitator.daemon.url}/tasks/${net.taskIdIn(task)}`;
    const released = await ask(`${facilitator.daemon.url}/tasks`, await net.payFor(payer, task));
    expect(released.status, JSON.stringify(released.body)).to.equal(200);
    await ask(`${at}/certificate`, await net.certify(net.makeResult(task)));
    const settledTask = await askUntil(at, ({ body }) => body.state === "settled");
    await net.stopMining();
    const first = settledTask.body.transactions?.[0]?.blockNumber ?? 0;
    await net.reorg((await net.provider.getBlockNumber()) - first + 1);
    expect(await net.opg.balanceOf(payer.address)).to.equal(1000n);
    await net.goOnMining();
    await askUntil(at, ({ body }) => body.state === "certified");
    await askUntil(at, ({ body }) => body.state === "settled");
    expect(await net.opg.balanceOf(payer.address)).to.equal(600n);
  });

  it("of a lock whose payer empties its wallet meanwhile: the node's charge is a loss", async () => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    const at = `${facilitator.daemon.url}/tasks/${net.taskIdIn(task)}`;
    const released = await ask(`${facilitator.daemon.url}/tasks`, await net.payFor(payer, task));
    expect(released.status, JSON.stringify(released.body)).to.equal(200);
    await net.stopMining();
    const raw = await net.signEmptying(payer, 1000n);
    const opened = released.body.transactions?.[0]?.blockNumber ?? 0;
    await net.reorg((await net.provider.getBlockNumber()) - opened + 1, [raw]);
    await net.goOnMining();
    await net.until("the lock is known to be lost", async () => {
      return (await facilitator.store.findTask(net.taskIdIn(task)))?.unlocked === true;
    });
    await ask(`${at}/certificate`, await net.certify(net.makeResult(task)));
    await net.provider.send("evm_increaseTime", [121 + net.network.parameters.settleWindowSeconds]);
    await askUntil(at, ({ body }) => body.state === "refunded");
    const { lost } = await facilitator.store.exposureOf(payer.address, await net.opg.getAddress());
    expect(lost).to.equal(400n);
  });
});
