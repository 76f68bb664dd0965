import { expect } from "chai";
import { id, type JsonRpcProvider } from "ethers";
import {
  answering,
  type EndpointChain,
  failureOf,
  holder,
  logging,
  startEndpointChain,
  word,
} from "./endpointChain.ts";
import { alters, type Fault, hangs, isDown, isSlow, lags, lies, refuses, standsAt } from "./faultyEndpoint.ts";

const inventedLog = (truthful: unknown): unknown => {
  const [first] = truthful as object[];
  return [...(truthful as object[]), { ...first, topics: [word(2)] }];
};
const faults: Record<string, Fault> = {
  hangs: hangs,
  "is down": isDown,
  "is slow": isSlow(1_500),
  "lags by three blocks": lags(3),
  "answers from an old block for ever": standsAt(2),
  "lies about balances": lies(["eth_getBalance"], () => "0xffff"),
  "lies about calls": lies(["eth_call"], () => word(8)),
  "lies about code": lies(["eth_getCode"], () => "0x"),
  "lies about nonces": lies(["eth_getTransactionCount"], () => "0x0"),
  "lies about how a transaction went": alters("eth_getTransactionReceipt", { status: "0x0" }),
  "denies transactions": lies(["eth_getTransactionReceipt", "eth_getTransactionByHash"], () => null),
  "lies about what a transaction did": alters("eth_getTransactionByHash", { value: "0x5" }),
  "invents logs": lies(["eth_getLogs"], inventedLog),
  "hides logs": lies(["eth_getLogs"], () => []),
  "invents the newest block": alters("eth_getBlockByNumber", { number: "0xffffff" }),
  "lies about the newest block's time": alters("eth_getBlockByNumber", { timestamp: "0x1" }),
  "refuses calls that go through": refuses("eth_call", { code: 3, message: "execution reverted", data: word(1) }),
  "answers what is nonsense": () => Promise.resolve({ result: { nonsense: ["0x"] } }),
};
async function factsFrom(provider: JsonRpcProvider, { sender }: EndpointChain, hash: string) {
  const [head, balance, code, nonce, called, receipt, logs, transaction] = await Promise.all([
    provider.getBlock("latest"),
    provider.getBalance(holder),
    provider.getCode(answering),
    provider.getTransactionCount(sender.address),
    provider.call({ to: answering }),
    provider.getTransactionReceipt(hash),
    provider.getLogs({ address: logging, fromBlock: 0 }),
    provider.getTransaction(hash),
  ]);
  const { status, blockNumber, gasUsed, logs: logged } = receipt ?? {};
  return {
    ...{ number: head?.number, hash: head?.hash, timestamp: head?.timestamp, called, code, nonce },
    ...{ status, blockNumber, gasUsed: gasUsed?.toString(), logged: logged?.length, value: transaction?.value },
    ...{ balance: balance.toString(), logs: logs.map(({ topics }) => topics) },
  };
}

describe("ChainProvider of several endpoints", () => {
  let chain: EndpointChain;
  let hash: string;
  before(async () => {
    chain = await startEndpointChain();
    hash = await chain.log();
  });
  afterEach(() => chain.closeOpened());
  after(() => chain.stop());

  for (const [what, fault] of Object.entries(faults)) {
    it(`says what two say, though one of three ${what}`, async () => {
      const { provider } = await chain.open([fault, undefined, undefined]);
      const beganMs = performance.now();
      expect(await factsFrom(provider, chain, hash)).to.deep.equal(await factsFrom(chain.truth, chain, hash));
      expect(performance.now() - beganMs).to.be.lessThan(1_400);
    });
  }

  it("says nothing where two of three lie in different ways, and how many agreed", async () => {
    const lying = (balance: string) => lies(["eth_getBalance"], () => balance);
    const { provider } = await chain.open([undefined, lying("0x1"), lying("0x2")]);
    const failure = await failureOf(provider.getBalance(holder));
    expect(failure).to.include({ code: "chain_unavailable", agreed: 1, endpoints: 3 });
    expect(JSON.stringify(failure)).not.to.include("127.0.0.1");
  });

  it("says nothing where one of two does not answer", async () => {
    const { provider } = await chain.open([undefined, isDown]);
    expect(await failureOf(provider.getBalance(holder))).to.include({ code: "chain_unavailable", agreed: 1 });
  });

  it("bears two faulty ones of five", async () => {
    const { provider } = await chain.open([hangs, faults["lies about balances"], undefined, undefined, undefined]);
    expect(await provider.getBalance(holder)).to.equal(100n);
  });

  it("reads everything at the newest block that a quorum has", async () => {
    const { provider } = await chain.open([undefined, lags(1), lags(4)]);
    const newest = await chain.truth.getBlockNumber();
    const later = await chain.log();
    expect(await provider.getBlockNumber()).to.equal(newest);
    expect((await provider.getBlock("latest"))?.number).to.equal(newest);
    expect(await provider.getTransactionReceipt(later)).to.equal(null);
    expect(await provider.getTransactionCount(chain.sender.address)).to.equal(
      await chain.truth.getTransactionCount(chain.sender.address, newest),
    );
    expect(await provider.getLogs({ address: logging, fromBlock: newest + 1 })).to.deep.equal([]);
    await chain.mine();
    expect((await provider.getTransactionReceipt(later))?.status).to.equal(1);
  });

  it("takes a transaction for not included, rather than for a dispute, while one of two lags", async () => {
    const { provider } = await chain.open([undefined, lags(1)]);
    const later = await chain.log();
    expect(await provider.getTransactionReceipt(later)).to.equal(null);
    await chain.mine();
    expect((await provider.getTransactionReceipt(later))?.hash).to.equal(later);
  });

  it("goes back to the last block that a quorum shares where they differ about the newest", async () => {
    const fork = await chain.truth.getBlockNumber();
    await chain.mine(2);
    const differs = (name: string) =>
      lies(["eth_getBlockByNumber"], (block) => {
        const { number, ...rest } = block as { number: string };
        return Number(number) > fork ? { ...rest, number, hash: id(`${name} ${number}`) } : block;
      });
    const { provider } = await chain.open([undefined, differs("b"), differs("c")]);
    expect(await provider.getBlockNumber()).to.equal(fork);
  });

  it("never goes back to an endpoint that lags and is the first to answer", async () => {
    const { provider } = await chain.open([lags(5), isSlow(50), isSlow(100)]);
    const numbers = [await provider.getBlockNumber(), await provider.getBlockNumber()];
    const newest = await chain.truth.getBlockNumber();
    expect(numbers).to.deep.equal([newest, newest]);
  });
});
