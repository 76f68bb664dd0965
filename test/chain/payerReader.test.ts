import { expect } from "chai";
import type { Caller } from "#chain/callAt.ts";
import { PayerReaderAdapter } from "#chain/payerReader.ts";
import { PayerReader__factory } from "#typechain/index.ts";

const lens = PayerReader__factory.createInterface();
const addressOf = (index: number): string => `0x${index.toString(16).padStart(40, "0")}`;
const POISON = 137;

/** Answers for everybody but one wallet, with which every call fails. */
function poisonedChain(calls: number[], isDown = false): Caller {
  const send = (_method: string, [call]: unknown[]): Promise<string> => {
    const { data } = call as { data: string };
    const [wallets, words] = lens.decodeFunctionData("read", data) as unknown as [{ payer: string }[], unknown[]];
    calls.push(wallets.length);
    const isPoisoned = wallets.some(({ payer }) => BigInt(payer) === BigInt(POISON));
    if (isDown || isPoisoned) return Promise.reject(new Error("out of gas"));
    const funds = wallets.map(({ payer }) => [BigInt(payer), 1n, true, false]);
    return Promise.resolve(lens.encodeFunctionResult("read", [funds, words.map(() => 3n)] as never));
  };
  return { send };
}

describe("PayerReaderAdapter", () => {
  const wallets = Array.from({ length: 250 }, (_, index) => ({ token: addressOf(1), payer: addressOf(index) }));
  const words = wallets.map(({ payer }) => ({ payer, position: 0n }));

  it("asks for at most a hundred wallets at once, and leaves out only the one with which a call fails", async () => {
    const calls: number[] = [];
    const { funds, bitmaps } = await new PayerReaderAdapter(addressOf(2), poisonedChain(calls)).read(wallets, words, 1);
    expect(Math.max(...calls)).to.equal(100);
    const expected = wallets.map((_, index) => (index === POISON ? undefined : BigInt(index)));
    expect(funds.map((each) => each?.balance)).to.deep.equal(expected);
    expect(bitmaps).to.deep.equal(Array(250).fill(3n));
  });

  it("does not ask a chain that is down for each of them", async () => {
    const calls: number[] = [];
    const reading = new PayerReaderAdapter(addressOf(2), poisonedChain(calls, true)).read(wallets, words, 1);
    expect(await reading.catch((error: unknown) => (error as Error).message)).to.equal("out of gas");
    expect(calls.length).to.be.at.most(6);
  });
});
