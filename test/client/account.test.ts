import { expect } from "chai";
import { type Client, type ClientOptions, createClient, OpgError, type PaymentSigner } from "#client/index.ts";
import { someInputs } from "#test/gateway/doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { fetchFrom, payingClient } from "./payingClient.ts";

const AMOUNT = 10n ** 18n;
const CEILING = 1_536n;
const CHARGE = 1_096n;
const request = { model: "doubling", inputs: someInputs };

describe("client.account", () => {
  let fixture: GatewayFixture;
  let client: Client;
  let asked: string[];

  beforeEach(async () => {
    fixture = await gatewayFixture();
    asked = [];
    client = accountClient();
  });

  afterEach(() => fixture.stop());

  function accountClient(options: Partial<ClientOptions> = {}): Client {
    const account = { maxAtStake: 100n * CEILING };
    return payingClient(fixture, { signer: signerOf(), account, ...options });
  }

  function signerOf(wallet = fixture.wallets.payer): PaymentSigner {
    return {
      address: wallet.address,
      signTypedData: (domain, types, value) => {
        asked.push(Object.keys(types)[0] ?? "");
        return wallet.signTypedData(domain, types, value);
      },
      sendTransaction: (transaction) => {
        asked.push("transaction");
        return wallet.sendTransaction(transaction);
      },
    };
  }

  async function refusalOf(call: Promise<unknown>): Promise<OpgError> {
    const error = await call.catch((cause: unknown) => cause);
    if (error instanceof OpgError) return error;
    throw new Error("nothing was refused", { cause: error });
  }

  it("is opened by a signed approval and one transaction", async () => {
    const hash = await client.account.deposit({ amount: AMOUNT });
    expect(asked).to.deep.equal(["Permit", "transaction"]);
    expect((await fixture.provider.getTransactionReceipt(hash))?.status).to.equal(1);
    const { payer, facilitator } = fixture.wallets;
    expect(await client.account.show()).to.deep.equal({
      ...{ payer: payer.address, facilitator: facilitator.address, cap: 0n, charged: 0n, reserved: 0n, atStake: 0n },
      onChain: {
        ...{ balance: AMOUNT, spent: 0n, withdrawing: 0n, withdrawableAt: 0, authorizer: payer.address },
        ...{ isAuthorized: true, unaccounted: 0n },
      },
    });
  });

  it("is opened by two transactions where the wallet cannot sign a permit", async () => {
    await client.account.deposit({ amount: AMOUNT, by: "approve" });
    expect(asked).to.deep.equal(["transaction", "transaction"]);
    expect((await client.account.show()).onChain?.balance).to.equal(AMOUNT);
  });

  it("uses an approval that is there", async () => {
    await fixture.opg.connect(fixture.wallets.payer).approve(fixture.addresses.taskEscrow, AMOUNT);
    await client.account.deposit({ amount: AMOUNT });
    expect(asked).to.deep.equal(["transaction"]);
  });

  it("is filled for somebody else", async () => {
    const payer = fixture.wallets.stranger.address;
    await accountClient({ account: { maxAtStake: 0n, payer } }).account.deposit({ amount: AMOUNT });
    const theirs = await accountClient({ signer: signerOf(fixture.wallets.stranger) }).account.show();
    expect(theirs.onChain?.balance).to.equal(AMOUNT);
    expect((await client.account.show()).onChain?.balance).to.equal(0n);
  });

  it("shows what is at stake, in its books and on chain", async () => {
    await client.account.deposit({ amount: AMOUNT });
    await client.infer(request);
    const before = await client.account.show();
    expect(before).to.include({ cap: 100n * CEILING, charged: CHARGE, reserved: 0n });
    expect(before.atStake).to.equal(100n * CEILING - CHARGE);
    await fixture.facilitator.settleBatch();
    const after = await client.account.show();
    expect(after.onChain).to.include({ balance: AMOUNT - CHARGE, spent: CHARGE, unaccounted: 0n });
    expect(after.atStake).to.equal(before.atStake);
  });

  it("shows what was taken that it knows nothing of", async () => {
    await client.account.deposit({ amount: AMOUNT });
    const books = await client.account.show();
    expect(books.onChain?.unaccounted).to.equal(0n);
    await accountClient().infer(request);
    await fixture.facilitator.settleBatch();
    expect((await client.account.show()).onChain?.unaccounted).to.equal(CHARGE);
  });

  it("is never at stake for more than it holds", async () => {
    await client.account.deposit({ amount: 2n * CEILING });
    await client.infer(request);
    expect((await client.account.show()).atStake).to.equal(2n * CEILING - CHARGE);
  });

  it("goes on from what the chain shows taken when its books are new", async () => {
    await client.account.deposit({ amount: AMOUNT });
    await client.infer(request);
    await fixture.facilitator.settleBatch();
    const another = accountClient();
    await another.infer(request);
    expect(await another.account.show()).to.include({ charged: 2n * CHARGE, cap: CHARGE + 100n * CEILING });
  });

  it("pays back what was asked for, after its time", async () => {
    await client.account.deposit({ amount: AMOUNT });
    const withdrawableAt = await client.account.initiateWithdraw({ amount: AMOUNT / 2n });
    expect((await client.account.show()).onChain).to.include({ withdrawing: AMOUNT / 2n, withdrawableAt });
    expect(await client.account.finalizeWithdraw().catch((error: unknown) => error)).to.be.instanceOf(Error);
    await fixture.connection.networkHelpers.time.increaseTo(withdrawableAt);
    const before = await fixture.opg.balanceOf(fixture.wallets.payer.address);
    await client.account.finalizeWithdraw();
    expect(await fixture.opg.balanceOf(fixture.wallets.payer.address)).to.equal(before + AMOUNT / 2n);
    expect((await client.account.show()).onChain).to.include({ balance: AMOUNT / 2n, withdrawing: 0n });
  });

  it("takes a withdrawal back", async () => {
    await client.account.deposit({ amount: AMOUNT });
    await client.account.initiateWithdraw({ amount: AMOUNT });
    expect(await client.account.initiateWithdraw({ amount: 0n })).to.equal(0);
  });

  it("names another key, and says whether the signer is the one", async () => {
    const { stranger } = fixture.wallets;
    await client.account.setAuthorizer({ authorizer: stranger.address });
    expect((await client.account.show()).onChain).to.include({ authorizer: stranger.address, isAuthorized: false });
    const account = { maxAtStake: CEILING, payer: fixture.wallets.payer.address };
    const theirs = accountClient({ signer: signerOf(stranger), account });
    expect((await theirs.account.show()).onChain?.isAuthorized).to.equal(true);
  });

  it("says what it lacks to change an account", async () => {
    const { address, signTypedData } = signerOf();
    const mute = await refusalOf(accountClient({ signer: { address, signTypedData } }).account.deposit({ amount: 1n }));
    expect(mute.values).to.deep.equal({ option: "signer" });
    const { payer: signer } = fixture.wallets;
    const deaf = payingClient(fixture, { signer, fetch: async () => new Response("", { status: 502 }) });
    const gateway = { gateway: fixture.network.gateway, signer, fetch: fetchFrom(fixture) };
    const blind = await refusalOf(createClient(gateway).account.deposit({ amount: 1n }));
    expect(blind.values).to.deep.equal({ option: "rpcUrl" });
    expect((await refusalOf(deaf.account.show())).code).to.equal("chain_unavailable");
  });

  it("says which facilitator the network does not name", async () => {
    const account = { maxAtStake: 1n, facilitator: fixture.wallets.stranger.address };
    expect(() => accountClient({ account })).to.throw(/names no facilitator/);
  });
});
