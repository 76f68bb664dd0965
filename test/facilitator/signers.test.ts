import { expect } from "chai";
import { id, JsonRpcProvider, Wallet } from "ethers";
import { ChainHead } from "#chain/chainHead.ts";
import { FeeQuote } from "#chain/feeQuote.ts";
import { MAX_ON_THEIR_WAY, MAX_WAITING, type Signer, Signers } from "#facilitator/signers.ts";
import { OpgError } from "#protocol/errors.ts";
import { createLogger } from "#service/logger.ts";

describe("Signers", () => {
  const wallet = new Wallet(id("signer"));
  let signers: Signers;

  beforeEach(async () => {
    // Nobody is asked: whoever has sent nothing yet may send.
    const provider = new JsonRpcProvider("http://127.0.0.1:1", 1, { staticNetwork: true });
    const head = new ChainHead(provider);
    const fees = new FeeQuote(provider, head);
    signers = new Signers([wallet], { provider, head, fees, logger: createLogger("signers", "silent") });
    provider.destroy();
    for (let taken = 0; taken < MAX_ON_THEIR_WAY; taken++) await signers.take("anyone");
  });

  const refusal = (waiting: Promise<Signer>): Promise<unknown> =>
    waiting.then(
      () => undefined,
      (error: unknown) => (error instanceof OpgError ? [error.code, error.status] : error),
    );

  it("let a call wait for room only as long as somebody waits for it, and the next one have its turn", async () => {
    const patient = signers.take("anyone");
    expect(await refusal(signers.take("anyone", 0.02))).to.deep.equal(["chain_unavailable", 503]);
    const next = signers.take("anyone", 60);
    expect(signers.waiting).to.equal(2);
    for (const waiting of [patient, next]) {
      signers.release(wallet.address);
      expect((await waiting).address).to.equal(wallet.address);
    }
    expect([signers.waiting, signers.all[0]?.onTheirWay]).to.deep.equal([0, MAX_ON_THEIR_WAY]);
  });

  it("let no more than so many wait", async () => {
    const waiting = Array.from({ length: MAX_WAITING }, () => refusal(signers.take("anyone")));
    expect(await refusal(signers.take("anyone"))).to.deep.equal(["chain_unavailable", 503]);
    signers.stop();
    expect(new Set((await Promise.all(waiting)).map(String)).size).to.equal(1);
  });
});
