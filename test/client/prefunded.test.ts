import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PaymentPayload } from "@x402/core/types";
import { expect } from "chai";
import { type Client, type ClientOptions, memoryState, OpgError, type PaymentSigner } from "#client/index.ts";
import { fileState } from "#client/node.ts";
import type { PrefundedPayloadJson } from "#protocol/prefunded.ts";
import { summingInputs } from "#test/execution/summingModel.ts";
import { someInputs } from "#test/gateway/doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "#test/gateway/gatewayFixture.ts";
import { lyingGateway } from "./lyingGateway.ts";
import { payingClient } from "./payingClient.ts";

const request = { model: "doubling", inputs: someInputs };
/** What a call may cost, and what it does. */
const CEILING = 1_536n;
const CHARGE = 1_096n;

describe("a client that pays out of an account", () => {
  let fixture: GatewayFixture;
  /** What was asked to be signed, by primary type. */
  let asked: string[];

  beforeEach(async () => {
    fixture = await gatewayFixture();
    asked = [];
  });

  afterEach(() => fixture.stop());

  function countingSigner(wallet = fixture.wallets.payer): PaymentSigner {
    return {
      address: wallet.address,
      signTypedData: (domain, types, value) => {
        asked.push(Object.keys(types)[0] ?? "");
        return wallet.signTypedData(domain, types, value);
      },
    };
  }

  function accountClient(maxAtStake: bigint, options: Partial<ClientOptions> = {}): Client {
    return payingClient(fixture, {
      signer: countingSigner(),
      account: { maxAtStake },
      state: begunState(),
      ...options,
    });
  }

  /** Books that were begun when nothing had been taken, so that the chain is not asked what was. */
  function begunState() {
    const state = memoryState();
    const { contracts, facilitators } = fixture.network;
    const entry = {
      account: `eip155:31337:${fixture.wallets.payer.address}`,
      facilitator: facilitators[0]?.address ?? "",
      taskEscrow: contracts.taskEscrow,
      ...{ before: 0n, charged: 0n, cap: 0n, voucher: null, shown: 0n, open: [] },
    };
    void state.update((content) => ({ content: { ...content, accounts: [entry] }, value: undefined }));
    return state;
  }

  const payloads = (): PrefundedPayloadJson[] =>
    fixture.facilitator.bodies.map((body) => {
      const { paymentPayload } = JSON.parse(body) as { paymentPayload: PaymentPayload };
      return paymentPayload.payload as unknown as PrefundedPayloadJson;
    });

  async function refusalOf(call: Promise<unknown>): Promise<OpgError> {
    const error = await call.catch((cause: unknown) => cause);
    if (error instanceof OpgError) return error;
    throw new Error("nothing was refused", { cause: error });
  }

  const books = async (state: ReturnType<typeof memoryState>) =>
    state.update((content) => ({ content, value: content.accounts[0]! }));

  it("signs the task and one voucher, sends no transaction, and keeps the receipt", async () => {
    const block = await fixture.provider.getBlockNumber();
    const client = accountClient(10n * CEILING);
    const { receipt, taskId } = await client.infer(request);
    expect(asked).to.have.members(["Task", "Voucher"]).and.to.have.length(2);
    expect(receipt.release.paymentDigest).to.equal(taskId);
    expect(await fixture.provider.getBlockNumber()).to.equal(block);
    const [kept] = await client.receipts();
    expect(kept).to.include({ scheme: "prefunded", amount: CEILING, state: "answered" });
    expect(kept?.settlement).to.deep.equal({ transaction: "", amount: CHARGE });
    expect(await client.trail(taskId)).to.include({ state: "certified", charge: "1096", refund: "0" });
  });

  it("signs no second voucher while the first suffices, and does not send it again", async () => {
    const client = accountClient(10n * CEILING);
    for (let call = 0; call < 3; call++) await client.infer(request);
    expect(asked.filter((type) => type === "Voucher")).to.have.length(1);
    expect(payloads().map(({ voucher }) => voucher?.cap)).to.deep.equal([String(10n * CEILING), undefined, undefined]);
  });

  it("raises the cap in steps, never further than the limit beyond what was charged", async () => {
    const maxAtStake = 2n * CEILING;
    const client = accountClient(maxAtStake);
    const charged: bigint[] = [];
    for (let call = 0; call < 6; call++) {
      const before = BigInt(call) * CHARGE;
      const shown = fixture.facilitator.accounts.caps.length;
      await client.infer(request);
      if (fixture.facilitator.accounts.caps.length > shown) charged.push(before);
    }
    const { caps } = fixture.facilitator.accounts;
    expect(caps).to.deep.equal(charged.map((before) => before + maxAtStake));
    expect(caps.length).to.be.greaterThan(1).and.to.be.lessThan(6);
  });

  it("shares one voucher between many calls at once, and its books are the facilitator's", async () => {
    const state = begunState();
    const client = accountClient(20n * CEILING, { state });
    await Promise.all(Array.from({ length: 12 }, () => client.infer(request)));
    expect(asked.filter((type) => type === "Voucher")).to.have.length(1);
    const { charged, open } = await books(state);
    expect(open).to.deep.equal([]);
    expect(charged).to.equal(12n * CHARGE);
    expect(fixture.facilitator.accounts.chargedTo(fixture.wallets.payer.address)).to.equal(charged);
  });

  it("signs nothing for a call that would put more at stake than it may", async () => {
    const error = await refusalOf(accountClient(CEILING - 1n).infer(request));
    expect(error.code).to.equal("spending_limit_reached");
    expect(error.values).to.include({ option: "account.maxAtStake", need: CEILING, limit: CEILING - 1n });
    expect(asked).to.deep.equal([]);
    expect(fixture.facilitator.calls).to.equal(0);
  });

  it("never signs for more than the account may ever lose", async () => {
    const client = accountClient(10n * CEILING, { account: { maxAtStake: 10n * CEILING, maxCap: CHARGE + CEILING } });
    await client.infer(request);
    await client.infer(request);
    const error = await refusalOf(client.infer(request));
    expect(error.values).to.include({ option: "account.maxCap", limit: CHARGE + CEILING, charged: 2n * CHARGE });
    expect(fixture.facilitator.accounts.caps).to.deep.equal([CHARGE + CEILING]);
  });

  it("keeps what is signed for within a day's limit, too", async () => {
    const client = accountClient(10n * CEILING, { maxPerDay: CHARGE + CEILING });
    await client.infer(request);
    await client.infer(request);
    expect((await refusalOf(client.infer(request))).values).to.include({ option: "maxPerDay", spent: 2n * CHARGE });
  });

  it("shows a higher voucher where the facilitator knows of calls that it does not", async () => {
    fixture.facilitator.accounts.charge(fixture.wallets.payer.address, 3n * CEILING);
    const client = accountClient(4n * CEILING);
    await client.infer(request);
    const others = 2n * CEILING;
    fixture.facilitator.accounts.charge(fixture.wallets.payer.address, others);
    const error = await refusalOf(client.infer(request));
    expect(error.code).to.equal("spending_limit_reached");
    expect(error.values).to.include({ need: 5n * CEILING + CHARGE + CEILING, charged: CHARGE });
  });

  it("lets no facilitator talk it into more than its limit", async () => {
    fixture.facilitator.accounts.charge(fixture.wallets.payer.address, 10n ** 30n);
    const error = await refusalOf(accountClient(4n * CEILING).infer(request));
    expect(error.values).to.include({ option: "account.maxAtStake" });
    expect(fixture.facilitator.accounts.caps.every((cap) => cap <= 4n * CEILING)).to.equal(true);
  });

  it("accepts no offer of another facilitator than its account is at", async () => {
    const lies = {
      offer: ({ extra }: { extra: Record<string, unknown> }) => (extra["facilitator"] = `0x${"01".repeat(20)}`),
    };
    const client = accountClient(4n * CEILING, { fetch: lyingGateway(fixture, lies) });
    expect((await refusalOf(client.infer(request))).values).to.include({ field: "facilitator" });
    expect(asked).to.deep.equal([]);
  });

  it("counts nothing where its person declines to sign", async () => {
    const state = begunState();
    const signer = {
      address: fixture.wallets.payer.address,
      signTypedData: () => Promise.reject(new Error("declined")),
    };
    const error = await accountClient(4n * CEILING, { state, signer })
      .infer(request)
      .catch((cause: unknown) => cause);
    expect(error).to.have.property("message", "declined");
    expect((await books(state)).open).to.deep.equal([]);
  });

  it("has the cap in its books before a voucher is signed, and signs it anew after a crash", async () => {
    const state = begunState();
    const { payer } = fixture.wallets;
    const signer: PaymentSigner = {
      address: payer.address,
      signTypedData: async (domain, types, value) => {
        if (types["Voucher"]) throw new Error("the power went");
        return payer.signTypedData(domain, types, value);
      },
    };
    await accountClient(4n * CEILING, { state, signer })
      .infer(request)
      .catch(() => undefined);
    expect(await books(state)).to.include({ cap: 4n * CEILING, voucher: null });
    await accountClient(4n * CEILING, { state }).infer(request);
    expect((await books(state)).voucher?.cap).to.equal(4n * CEILING);
  });

  it("pays out of the account of somebody who named its key", async () => {
    const { payer, stranger } = fixture.wallets;
    const account = { maxAtStake: 4n * CEILING, payer: payer.address };
    const client = accountClient(0n, { signer: countingSigner(stranger), account });
    const { receipt } = await client.infer(request);
    expect(receipt.task.payer).to.equal(payer.address);
  });

  it("signs vouchers anew when its key was replaced", async () => {
    const state = begunState();
    const { payer, stranger } = fixture.wallets;
    const account = { maxAtStake: 4n * CEILING, payer: payer.address };
    await accountClient(0n, { state, account }).infer(request);
    fixture.facilitator.accounts.charge(payer.address, 3n * CEILING);
    await accountClient(0n, { state, account, signer: countingSigner(stranger) })
      .infer(request)
      .catch(() => undefined);
    expect((await books(state)).voucher).to.include({ signer: stranger.address });
  });

  it("keeps what may be charged reserved where no answer came, until the trail tells the end", async () => {
    const state = begunState();
    const client = accountClient(CEILING, { state });
    for (const node of fixture.nodes) node.failure = new OpgError("node_unavailable", "Gone.");
    const failed = await refusalOf(client.infer(request));
    expect(failed.values["taskId"]).to.be.a("string");
    expect((await books(state)).open.map(({ amount }) => amount)).to.deep.equal([CEILING]);
    for (const node of fixture.nodes) node.failure = undefined;
    expect((await refusalOf(client.infer(request))).code).to.equal("spending_limit_reached");
    fixture.facilitator.refund(String(failed.values["taskId"]));
    await client.infer(request);
    expect(await books(state)).to.include({ charged: CHARGE });
  });

  it("ends a stream that was left at what its trail says", async () => {
    await fixture.publishSums();
    const state = begunState();
    const client = accountClient(100n * CEILING, { state });
    let taskId = "";
    for await (const event of client.inferStream({ model: "sums", inputs: summingInputs(4) })) {
      taskId = event.taskId;
      break;
    }
    expect((await books(state)).open).to.have.length(1);
    const charge = await until(async () => {
      const trail = await client.trail(taskId);
      return trail.state === "certified" ? trail.charge : undefined;
    });
    const { charged, open } = await books(state);
    expect(charged).to.equal(BigInt(charge));
    expect(open).to.deep.equal([]);
  });

  describe("beside others on the same folder", () => {
    let folder: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), "opg-state-"));
    });

    afterEach(() => rm(folder, { recursive: true }));

    it("never puts more at stake together than one may", async () => {
      const seed = begunState();
      const content = await seed.update((before) => ({ content: before, value: before }));
      await fileState(folder).update(() => ({ content, value: undefined }));
      const clients = Array.from({ length: 4 }, () => accountClient(6n * CEILING, { state: fileState(folder) }));
      const calls = Array.from({ length: 16 }, (_, call) => clients[call % 4]!.infer(request));
      const ended = await Promise.allSettled(calls);
      const refused = ended.filter(({ status }) => status === "rejected");
      for (const { reason } of refused as PromiseRejectedResult[]) {
        expect(reason).to.have.property("code", "spending_limit_reached");
      }
      const { charged, open, cap } = await fileState(folder).update((now) => ({
        content: now,
        value: now.accounts[0]!,
      }));
      expect(open).to.deep.equal([]);
      expect(charged).to.equal(BigInt(16 - refused.length) * CHARGE);
      expect(cap <= charged + 6n * CEILING).to.equal(true);
      expect(fixture.facilitator.accounts.chargedTo(fixture.wallets.payer.address)).to.equal(charged);
    });
  });
});

async function until<Value>(read: () => Promise<Value | undefined>): Promise<Value> {
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
