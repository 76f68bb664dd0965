import { expect } from "chai";
import { readBlockReceipts } from "#chain/blockReceipts.ts";
import { broadcast } from "#chain/broadcast.ts";
import type { RpcProvider } from "#chain/rpcProvider.ts";

/** An endpoint that answers one method with an error and everything else with nothing; and what it was asked. */
function refusing(refused: string, error: { code: number; message: string }) {
  const asked: string[] = [];
  const send = (method: string): Promise<unknown> => {
    asked.push(method);
    if (method !== refused) return Promise.resolve(null);
    // ethers repeats the request in its own words.
    return Promise.reject(Object.assign(new Error(`could not coalesce ${error.message} of ${method}`), { error }));
  };
  return { provider: { send } as unknown as RpcProvider, asked };
}

describe("what an endpoint says", () => {
  for (const [code, message, isOther] of [
    [-32_601, "no", true],
    [-32_000, "the method eth_getBlockReceipts does not exist/is not available", true],
    [-32_004, "Unsupported method: eth_getBlockReceipts", true],
    [-32_000, "block not found", false],
  ] as const) {
    it(`has receipts asked for ${isOther ? "one by one" : "again"} after "${message}"`, async () => {
      const { provider, asked } = refusing("eth_getBlockReceipts", { code, message });
      await readBlockReceipts(provider, { number: 1, hash: "0x1" }, ["0xa", "0xb"]).catch(() => undefined);
      expect(asked.slice(1)).to.deep.equal(Array(isOther ? 2 : 0).fill("eth_getTransactionReceipt"));
    });
  }

  it("tells a transaction that it knows from a type that it does not", async () => {
    for (const [message, outcome] of [
      ["known transaction: 0xaa", "accepted"],
      ["unknown transaction type", "refused"],
    ] as const) {
      const error = { code: -32_000, message };
      const thrown = Object.assign(new Error("could not coalesce"), { info: { error } });
      const provider = { send: () => Promise.reject(thrown) } as unknown as RpcProvider;
      expect(await broadcast(provider, "0x")).to.equal(outcome);
    }
  });
});
