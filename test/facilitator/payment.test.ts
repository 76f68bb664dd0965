import { setTimeout as pause } from "node:timers/promises";
import { expect } from "chai";
import { Signature, verifyTypedData, type Wallet } from "ethers";
import { startFacilitator } from "#facilitator/start.ts";
import { domainIn } from "#protocol/network.ts";
import { releaseTypedData, type Task } from "#protocol/task.ts";
import type { Daemon } from "#service/runDaemon.ts";
import { openFacilitatorStore } from "#store/facilitatorStore.ts";
import { ask } from "./ask.ts";
import { type FacilitatorNetwork, startFacilitatorNetwork } from "./facilitatorNetwork.ts";

describe("a payment at the facilitator", function () {
  this.timeout(60_000);
  let net: FacilitatorNetwork;
  let facilitator: Daemon;
  /** Runs after each claim is stored, before its money is locked. */
  let afterClaim: (task: Task) => Promise<void> = () => Promise.resolve();

  before(async () => {
    net = await startFacilitatorNetwork();
    facilitator = await startFacilitator(await net.environment("payments"), {
      openStore: async (url, logger) => {
        const store = await openFacilitatorStore(url, logger);
        return {
          ...store,
          claim: async (claim, terms) => {
            const taken = await store.claim(claim, terms);
            if (taken.outcome === "claimed") await afterClaim(claim.task);
            return taken;
          },
        };
      },
    });
  });
  after(async () => {
    await facilitator.stop();
    await net.close();
  });
  afterEach(() => {
    afterClaim = () => Promise.resolve();
  });

  const pay = (body: unknown) => ask(`${facilitator.url}/tasks`, body);
  const record = (task: Task) => ask(`${facilitator.url}/tasks/${net.taskIdIn(task)}`);
  const lockOf = async (task: Task) => [...(await net.escrow.locks(net.taskIdIn(task)))];
  const approveNothing = async (payer: Wallet, spender: string): Promise<void> => {
    await (await net.opg.connect(payer).approve(spender, 0)).wait();
  };

  it("locks the money, then answers with a release that the facilitator signed", async () => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    const { status, body } = await pay(await net.payFor(payer, task));

    expect(status, JSON.stringify(body)).to.equal(200);
    expect(await lockOf(task)).to.deep.equal([1000n, BigInt(task.deadline), 1n]);
    expect(await net.opg.balanceOf(payer.address)).to.equal(0n);
    expect(body.transactions?.map(({ purpose, status: end }) => `${purpose} ${end}`)).to.deep.equal(["open included"]);
    const { paymentDigest = "", releasedAt = 0, signature = "", facilitator: signer } = body.release ?? {};
    const typedData = releaseTypedData(
      { taskId: net.taskIdIn(task), paymentDigest, releasedAt },
      domainIn(net.network, "taskEscrow"),
    );
    expect(verifyTypedData(typedData.domain, typedData.types, typedData.value, signature)).to.equal(signer);
    expect((await ask(`${facilitator.url}/info`)).body.facilitator).to.equal(signer);
    expect((await record(task)).body).to.deep.include({ state: "released", release: body.release });
  });

  it("opens once for fifty of the same at the same time, and gives all the same release", async () => {
    const payer = await net.makePayer(5000n);
    const task = await net.makeTask(payer);
    const payment = await net.payFor(payer, task);
    const answers = await Promise.all(Array.from({ length: 50 }, () => pay(payment)));

    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([200]));
    expect(new Set(answers.map(({ body }) => body.release?.signature)).size).to.equal(1);
    expect(await net.opg.balanceOf(payer.address)).to.equal(4000n);
    expect((await record(task)).body.transactions).to.have.length(1);
    expect((await pay(payment)).body).to.deep.equal(answers[0]?.body);
  });

  it("locks ten distinct payments of one payer at the same time", async () => {
    const payer = await net.makePayer(10_000n);
    const tasks = await Promise.all(
      Array.from({ length: 10 }, (_, nonce) => net.makeTask(payer, { nonce: BigInt(nonce) })),
    );
    const answers = await Promise.all(tasks.map(async (task) => pay(await net.payFor(payer, task))));
    expect(answers.map(({ status }) => status)).to.deep.equal(Array(10).fill(200));
    expect(await net.opg.balanceOf(payer.address)).to.equal(0n);
  });

  it("takes the same authorization with EIP-2098's short signature as the same", async () => {
    const payer = await net.makePayer(1000n);
    const task = await net.makeTask(payer);
    const payment = await net.payFor(payer, task);
    const short = Signature.from(payment.paymentPayload.payload.signature).compactSerialized;
    const [first, second] = [await pay(await net.payFor(payer, task, short)), await pay(payment)];
    expect(first.status, JSON.stringify(first.body)).to.equal(200);
    expect(second.body).to.deep.equal(first.body);
  });

  it("refuses another task with the same nonce", async () => {
    const payer = await net.makePayer(5000n);
    const first = await net.makeTask(payer);
    const second = { ...first, maxAmount: 1001n };
    const answers = await Promise.all([pay(await net.payFor(payer, first)), pay(await net.payFor(payer, second))]);
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 402]);
    expect(answers.find(({ status }) => status === 402)?.body.error?.code).to.equal("permit2_invalid_nonce");
    const third = await pay(await net.payFor(payer, { ...first, maxAmount: 1002n }));
    expect(third.body.error?.code).to.equal("permit2_invalid_nonce");
  });

  it("refuses what is not covered, and claims and sends nothing for it", async () => {
    const payer = await net.makePayer(999n);
    const task = await net.makeTask(payer);
    const poor = await pay(await net.payFor(payer, task));
    expect(poor).to.deep.include({ status: 402 });
    expect(poor.body.error).to.deep.include({ code: "permit2_insufficient_balance", have: "999", need: "1000" });
    expect((await record(task)).body.error?.code).to.equal("unknown_task");

    await approveNothing(payer, "0x000000000022D473030F116dDEE9F6B43aC78BA3");
    let unapproved: Awaited<ReturnType<typeof pay>>;
    do {
      // Until the facilitator has seen the block, it is the lock that fails.
      const cheap = await net.makeTask(payer, { maxAmount: 500n });
      unapproved = await pay(await net.payFor(payer, cheap));
    } while (unapproved.body.error?.code === "open_failed");
    expect(unapproved.status).to.equal(412);
    expect(unapproved.body.error?.code).to.equal("permit2_allowance_required");
  });

  it("ends the claim of a wallet that was emptied before the lock, which can pay again when it is filled", async () => {
    const payer = await net.makePayer(1000n);
    const { address: elsewhere } = net.node;
    afterClaim = async () => {
      await (await net.opg.connect(payer).transfer(elsewhere, 1000n)).wait();
    };
    const task = await net.makeTask(payer);
    const payment = await net.payFor(payer, task);
    const emptied = await pay(payment);
    expect(emptied.status).to.equal(402);
    expect(emptied.body.error?.code).to.equal("open_failed");
    expect(emptied.body.error?.reason).to.include("TRANSFER_FROM_FAILED");
    expect((await record(task)).body).to.deep.include({ state: "rejected", release: null, transactions: [] });

    afterClaim = () => Promise.resolve();
    await (await net.opg.transfer(payer.address, 1000n)).wait();
    expect((await pay(payment)).status).to.equal(200);
  });

  it("rejects the one of two locks that no block could take", async () => {
    const payer = await net.makePayer(1000n);
    const tasks = [await net.makeTask(payer), await net.makeTask(payer, { nonce: 1n })];
    await net.stopMining();
    const answers = tasks.map(async (task) => pay(await net.payFor(payer, task)));
    const pending = async () => Number(((await net.provider.send("txpool_status", [])) as { pending: string }).pending);
    // Where the first is waiting for its block already, the second may be found out before it is sent.
    const decided = Promise.race(answers).then(() => true);
    const sent = async (): Promise<boolean> => (await pending()) === 2;
    while (!(await sent()) && !(await Promise.race([decided, pause(50).then(() => false)])));
    await net.provider.send("evm_mine", []);
    await net.goOnMining();

    const codes = (await Promise.all(answers)).map(({ status, body }) => body.error?.code ?? status);
    expect(codes.map(String).sort()).to.deep.equal(["200", "open_failed"]);
    const records = await Promise.all(tasks.map(record));
    const ends = records.map(({ body }) => `${body.state} ${body.transactions?.[0]?.status ?? "unsent"}`);
    expect(ends.sort()).to.deep.be.oneOf([
      ["rejected reverted", "released included"],
      ["rejected unsent", "released included"],
    ]);
  });

  it("counts a task that somebody else opened as opened", async () => {
    const payer = await net.makePayer(2000n);
    const task = await net.makeTask(payer);
    const payment = await net.payFor(payer, task);
    afterClaim = async () => {
      await (await net.escrow.connect(payer).open(task, payment.paymentPayload.payload.signature)).wait();
    };
    const { status, body } = await pay(payment);
    expect(status, JSON.stringify(body)).to.equal(200);
    expect(body.transactions).to.deep.equal([]);
    expect(await net.opg.balanceOf(payer.address)).to.equal(1000n);

    afterClaim = () => Promise.resolve();
    const openedBefore = await net.makeTask(payer, { nonce: 1n });
    const second = await net.payFor(payer, openedBefore);
    await (await net.escrow.connect(payer).open(openedBefore, second.paymentPayload.payload.signature)).wait();
    expect((await pay(second)).status).to.equal(200);
  });

  it("asks a payer who has code for its word (EIP-1271)", async () => {
    const answering = (word: string) => `0x63${word}60e01b60005260206000f3`;
    const payer = await net.makePayer(2000n);
    await net.provider.send("anvil_setCode", [payer.address, answering("1626ba7e")]);
    const task = await net.makeTask(payer);
    const { status, body } = await pay(await net.payFor(payer, task, "0x"));
    expect(status, JSON.stringify(body)).to.equal(200);

    await net.provider.send("anvil_setCode", [payer.address, answering("ffffffff")]);
    const signedByKey = await pay(await net.payFor(payer, await net.makeTask(payer, { nonce: 1n })));
    expect(signedByKey.body.error?.code).to.equal("invalid_permit2_signature");
  });

  it("is taken only by a facilitator whom governance knows", async () => {
    const environment = { ...(await net.environment("unknown")), OPG_FACILITATOR_KEY: net.node.privateKey };
    const error = await startFacilitator(environment).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: "configuration" });
    expect((error as Error).message).to.include(net.node.address);
  });

  for (const [variable, wrong] of [
    ["OPG_EXPOSURE_CAP", "-1"],
    ["OPG_EXPOSURE_CAP", "1.5"],
    ["OPG_RETENTION_SECONDS", "a month"],
  ] as const) {
    it(`is taken by no facilitator whose ${variable} is ${wrong}`, async () => {
      const environment = { ...(await net.environment("unknown")), [variable]: wrong };
      const error = await startFacilitator(environment).catch((thrown: unknown) => thrown);
      expect(error).to.include({ code: "configuration" });
      expect((error as Error).message).to.include(variable);
    });
  }

  describe("that cannot be read", () => {
    let payer: Wallet;
    before(async () => {
      payer = await net.makePayer(1000n);
    });

    const cases: [string, (valid: Awaited<ReturnType<FacilitatorNetwork["payFor"]>>) => unknown, number, string][] = [
      ["no JSON", () => "{", 400, "malformed_json"],
      ["an empty object", () => ({}), 400, "invalid_body"],
      [
        "another scheme, whatever its payload",
        (valid) => ({ ...valid, paymentRequirements: { scheme: "exact", network: "eip155:31337" } }),
        402,
        "unsupported_scheme",
      ],
      [
        "another chain",
        (valid) => ({ ...valid, paymentRequirements: { ...valid.paymentRequirements, network: "eip155:1" } }),
        402,
        "invalid_network",
      ],
      ["x402 version 1", (valid) => ({ ...valid, x402Version: 1 }), 400, "invalid_x402_version"],
      [
        "a number where a string belongs",
        (valid) => ({ ...valid, paymentRequirements: { ...valid.paymentRequirements, amount: 1000 } }),
        400,
        "invalid_body",
      ],
      [
        "a payload without its parts",
        (valid) => ({ ...valid, paymentPayload: { ...valid.paymentPayload, payload: {} } }),
        400,
        "invalid_body",
      ],
      ["a body above the limit", () => ({ long: "x".repeat(300_000) }), 413, "body_too_large"],
    ];
    for (const [what, change, status, code] of cases) {
      it(`answers ${status} ${code} to ${what}`, async () => {
        const answer = await pay(change(await net.payFor(payer, await net.makeTask(payer))));
        expect([answer.status, answer.body.error?.code]).to.deep.equal([status, code]);
      });
    }
  });

  describe("while the chain is away", () => {
    it("blames nobody when the chain does not answer, and claims nothing", async () => {
      const payer = await net.makePayer(1000n);
      const task = await net.makeTask(payer);
      const payment = await net.payFor(payer, task);
      await net.stopChain();
      const { status, body } = await pay(payment);
      expect([status, body.error?.code]).to.deep.equal([503, "chain_unavailable"]);
      expect((await record(task)).body.error?.code).to.equal("unknown_task");
    });
  });
});
