import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { JsonRpcProvider } from "ethers";
import type { OpgError } from "#protocol/errors.ts";
import { freePort } from "#scripts/network/freePort.ts";
import { startChain, type ChainOptions } from "#scripts/network/startChain.ts";

const richAccount = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
/** Creation code of a contract that emits one log with the word 1. */
const logOnce = "0x600160005260206000a060006000f3";

describe("startChain", () => {
  let folder: string;
  let options: ChainOptions;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "opg-test-"));
    const logFile = join(folder, "logs", "chain.log");
    options = {
      port: await freePort(),
      stateFolder: join(folder, "chain"),
      blockTimeSeconds: 0.2,
      chainId: 31_337,
      logFile,
    };
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("goes on with the same chain when it is started again", async () => {
    const first = await startChain(options);
    const before = await withProvider(first.url, async (provider) => {
      const signer = await provider.getSigner(richAccount);
      return await (await signer.sendTransaction({ data: logOnce })).wait();
    });
    await first.stop();

    const second = await startChain(options);
    await withProvider(second.url, async (provider) => {
      expect((await provider.getNetwork()).chainId).to.equal(31_337n);
      const after = await provider.getTransactionReceipt(before?.hash ?? "");
      expect(after?.blockHash).to.equal(before?.blockHash);
      expect(await provider.getLogs({ fromBlock: 0 })).to.have.lengthOf(1);
      expect(await provider.getTransactionCount(richAccount)).to.equal(1);
    });
    await second.stop();
  });

  it("keeps the clock's time", async () => {
    const chain = await startChain(options);
    const timestamp = await withProvider(chain.url, async (provider) => {
      await new Promise((mined) => void provider.once("block", mined));
      return (await provider.getBlock("latest"))?.timestamp ?? 0;
    });
    await chain.stop();
    expect(Math.abs(timestamp - Date.now() / 1000)).to.be.lessThan(3);
  });

  it("says which port is in use", async () => {
    const chain = await startChain(options);
    const error = (await startChain(options).catch((e: unknown) => e)) as OpgError;
    await chain.stop();
    expect(error.code).to.equal("configuration");
    expect(error.message).to.equal(
      `Port ${options.port} is in use, but the chain needs it; stop what listens there and start again.`,
    );
  });
});

async function withProvider<T>(url: string, use: (provider: JsonRpcProvider) => Promise<T>): Promise<T> {
  const provider = new JsonRpcProvider(url, undefined, { pollingInterval: 50, cacheTimeout: -1 });
  try {
    return await use(provider);
  } finally {
    provider.destroy();
  }
}
