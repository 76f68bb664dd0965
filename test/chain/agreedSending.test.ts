import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { connectChain } from "#chain/provider.ts";
import {
  answering,
  CHAIN_ID,
  type EndpointChain,
  failureOf,
  holder,
  refusing,
  startEndpointChain,
  word,
} from "./endpointChain.ts";
import { type Fault, isDown, lies, refuses } from "./faultyEndpoint.ts";

describe("ChainProvider that sends through several endpoints", () => {
  let chain: EndpointChain;
  before(async () => {
    chain = await startEndpointChain();
  });
  afterEach(() => chain.closeOpened());
  after(() => chain.stop());

  it("shows a contract's refusal where they agree on it, with its data", async () => {
    const { provider } = await chain.open([undefined, undefined, lies(["eth_call", "eth_estimateGas"], () => word(7))]);
    for (const ask of ["call", "estimateGas"] as const) {
      const error: unknown = await provider[ask]({ to: refusing }).catch((thrown: unknown) => thrown);
      expect(error).to.include({ code: "CALL_EXCEPTION", data: word(9) });
    }
  });

  it("lets no single endpoint refuse a transaction, or set its gas and price", async () => {
    const refusal = { code: 3, message: "execution reverted", data: word(1) };
    const rich = lies(["eth_estimateGas", "eth_gasPrice", "eth_maxPriorityFeePerGas"], () => "0xffffffffffff");
    const call = { to: answering, from: chain.sender.address };
    const expected = await chain.truth.estimateGas(call);
    for (const fault of [refuses("eth_estimateGas", refusal), rich]) {
      const { provider } = await chain.open([fault, undefined, undefined]);
      expect(await provider.estimateGas(call)).to.equal(expected);
      const [{ gasPrice, maxPriorityFeePerGas }, fees] = [await provider.getFeeData(), await chain.truth.getFeeData()];
      expect({ gasPrice, maxPriorityFeePerGas }).to.deep.equal({
        gasPrice: fees.gasPrice,
        maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
      });
    }
  });

  it("sends to all, and one that takes it is enough", async () => {
    const limited = refuses("eth_sendRawTransaction", { code: -32005, message: "limit exceeded" });
    const { provider, endpoints } = await chain.open([limited, isDown, undefined]);
    const sent = await chain.sender.connect(provider).sendTransaction({ to: answering });
    expect(endpoints.every(({ asked }) => asked.includes("eth_sendRawTransaction"))).to.equal(true);
    expect(await provider.getTransactionReceipt(sent.hash).catch(() => null)).to.equal(null);
    await chain.mine();
    expect((await chain.truth.getTransactionReceipt(sent.hash))?.status).to.equal(1);
  });

  it("takes a transaction that is known already for taken, and else says what tells most", async () => {
    const known = refuses("eth_sendRawTransaction", { code: -32000, message: "already known" });
    const limited = refuses("eth_sendRawTransaction", { code: -32005, message: "limit exceeded" });
    const poor = refuses("eth_sendRawTransaction", { code: -32003, message: "insufficient funds for gas" });
    const raw = await chain.sender.signTransaction({
      type: 2,
      chainId: CHAIN_ID,
      nonce: 0,
      gasLimit: 21_000,
      to: holder,
    });
    const { provider } = await chain.open([limited, known, poor]);
    expect((await provider.broadcastTransaction(raw)).hash).to.match(/^0x/);
    const { provider: refused } = await chain.open([limited, isDown, poor]);
    const error: unknown = await refused.broadcastTransaction(raw).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: "INSUFFICIENT_FUNDS" });
  });

  it("says that a method is not there where most do not have it", async () => {
    const method = "eth_getBlockReceipts";
    const without = refuses(method, { code: -32601, message: "the method does not exist" });
    const receipts = (await chain.truth.send(method, ["latest"])) as object[];
    const { provider } = await chain.open([without, undefined, undefined]);
    expect(await provider.send(method, ["latest"])).to.have.length(receipts.length);
    const { provider: old } = await chain.open([without, without, undefined]);
    const error: unknown = await old.send(method, ["latest"]).catch((thrown: unknown) => thrown);
    expect(String((error as Error).cause)).to.include("-32601");
  });

  it("counts transactions that wait as far as a quorum does", async () => {
    const nonce = await chain.truth.getTransactionCount(chain.sender.address, "latest");
    const { provider } = await chain.open([lies(["eth_getTransactionCount"], () => "0xffff"), undefined, undefined]);
    expect(await provider.getTransactionCount(chain.sender.address, "pending")).to.equal(nonce);
  });

  it("tells of each endpoint how it did", async () => {
    const told = [1, 2, 3, 4, 5].map(() => new Set<string>());
    const observer = { call: () => undefined, endpoint: (one: number, how: string) => told[one - 1]?.add(how) };
    const lying = lies(["eth_call"], () => word(8));
    const { provider } = await chain.open([isDown, lying, undefined, undefined, undefined], observer);
    expect(await provider.call({ to: answering })).to.equal(word(7));
    while (told.some(({ size }) => size === 0) || !told[1]?.has("outvoted")) await sleep(10);
    expect(told.map((ways) => [...ways].sort())).to.deep.equal([
      ["failed"],
      ["answered", "outvoted"],
      ["answered"],
      ["answered"],
      ["answered"],
    ]);
  });

  it("asks an only endpoint exactly once", async () => {
    const { provider, endpoints } = await chain.open([undefined]);
    await provider.getBalance(holder);
    await provider.getBlock("latest");
    expect(endpoints[0]?.asked).to.deep.equal(["eth_getBalance", "eth_getBlockByNumber"]);
  });
});

describe("connectChain to several endpoints", () => {
  let chain: EndpointChain;
  before(async () => {
    chain = await startEndpointChain();
  });
  afterEach(() => chain.closeOpened());
  after(() => chain.stop());

  async function connect(faults: readonly (Fault | undefined)[]): Promise<number[]> {
    const urls = (await chain.endpointsWith(faults)).map(({ url }) => url);
    const missing: number[] = [];
    const observer = { call: () => undefined, missing: (position: number) => missing.push(position) };
    (await connectChain(urls, CHAIN_ID, observer)).destroy();
    return missing;
  }

  it("warns of one that is down, and names by its place one that is on another chain", async () => {
    expect(await connect([undefined, isDown, undefined])).to.deep.equal([2]);
    const otherChain = lies(["eth_chainId"], () => "0x1");
    const failure = await failureOf(connect([undefined, isDown, otherChain]));
    expect(failure).to.include({ code: "configuration", endpoint: 3, expected: CHAIN_ID, actual: 1 });
    expect(JSON.stringify(failure)).not.to.include("127.0.0.1");
  });

  it("starts with nothing less than a quorum", async () => {
    const failure = await failureOf(connect([undefined, isDown, isDown]));
    expect(failure).to.include({ code: "chain_unavailable", agreed: 1, endpoints: 3 });
  });
});
