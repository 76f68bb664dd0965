import { expect } from "chai";
import { until } from "#test/integration/chainControl.ts";
import { AMOUNT, bySize, PER_BYTE, type SellingNetwork, type Shop, startSellingNetwork } from "./sellingNetwork.ts";
import { nextText, type StagedBody, stagedBody } from "./stagedBody.ts";

const TEN_BYTES = "0123456789";

describe("paid answers that stream", function () {
  this.timeout(90_000);
  let net: SellingNetwork;
  let shop: Shop;
  let body: StagedBody;
  let runs = 0;
  /** What the handler does before it answers. */
  let prepare: (request: Request) => Promise<void> = async () => undefined;

  before(async () => {
    net = await startSellingNetwork();
    shop = await net.open(
      { "GET /upto": bySize, "GET /exact": { scheme: "exact", amount: AMOUNT } },
      async (request) => {
        runs += 1;
        await prepare(request);
        return new Response(body.body, { headers: { "content-type": "text/event-stream" } });
      },
    );
  });
  after(() => net.close());
  beforeEach(() => {
    body = stagedBody();
    runs = 0;
    prepare = async () => undefined;
  });

  /** Pays and gets head and reader of the answer. */
  const buy = async (path: string, signal?: AbortSignal, balance = AMOUNT) => {
    const payer = await net.makePayer(balance);
    const header = await net.sign(payer, `${shop.url}${path}`);
    const init = { headers: { "payment-signature": header }, ...(signal ? { signal } : {}) };
    const answering = fetch(`${shop.url}${path}`, init);
    return { payer, header, answering };
  };
  const readerOf = (answer: Response) => answer.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  /** The settlement that comes next. */
  const settlement = async (before: number) => {
    await until(async () => shop.settled.length > before);
    return shop.settled[before]!;
  };

  for (const path of ["/upto", "/exact"]) {
    describe(`under ${path.slice(1)}`, () => {
      it("sends head and pieces as they are made, and settles when the stream closes", async () => {
        const { length } = shop.settled;
        const { payer, answering } = await buy(path);
        const answer = await answering;
        expect(answer.status).to.equal(200);
        expect(answer.headers.get("content-type")).to.equal("text/event-stream");
        expect(answer.headers.get("cache-control")).to.equal("private");
        expect(answer.headers.get("payment-response")).to.equal(null);
        const reader = readerOf(answer);
        body.send("data: one\n\n");
        expect(await nextText(reader)).to.equal("data: one\n\n");
        expect(await net.outstandingOf(payer)).to.equal(AMOUNT);
        body.send("data: two\n\n");
        expect(await nextText(reader)).to.equal("data: two\n\n");
        expect(shop.settled).to.have.length(length);
        body.end();
        expect(await nextText(reader)).to.equal(undefined);
        const { id, amount, served, transaction } = await settlement(length);
        expect(answer.headers.get("payment-settlement")).to.match(new RegExp(`^/settlements/${id}$`));
        expect(served).to.deep.include({ bytes: 22, chunks: 2, ending: "complete", status: 200 });
        expect(amount).to.equal(path === "/exact" ? AMOUNT : 22n * PER_BYTE);
        expect((await net.provider.getTransactionReceipt(transaction))?.status).to.equal(1);
        expect(await net.balanceOf(payer)).to.equal(AMOUNT - amount);
        expect(await net.outstandingOf(payer)).to.equal(0n);
      });
    });
  }

  it("reads nothing ahead of the connection", async () => {
    let pulls = 0;
    const ahead = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          pulls += 1;
          controller.enqueue(new Uint8Array(1_000_000));
        },
      },
      { highWaterMark: 0 },
    );
    body = { ...body, body: ahead };
    const hangUp = new AbortController();
    const { length } = shop.settled;
    const { answering } = await buy("/upto", hangUp.signal);
    await answering;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(pulls).to.be.lessThan(40);
    hangUp.abort();
    const { served } = await settlement(length);
    expect(served.ending).to.equal("hung_up");
    expect(served.chunks).to.be.oneOf([pulls, pulls - 1]);
  });

  for (const [path, charge] of [
    ["/upto", 10n * PER_BYTE],
    ["/exact", AMOUNT],
  ] as const) {
    describe(`under ${path.slice(1)}`, () => {
      it("charges what was delivered when the client hangs up in the middle", async () => {
        const hangUp = new AbortController();
        const { length } = shop.settled;
        const { payer, answering } = await buy(path, hangUp.signal);
        const reader = readerOf(await answering);
        body.send(TEN_BYTES);
        expect(await nextText(reader)).to.equal(TEN_BYTES);
        hangUp.abort();
        await body.cancelled;
        const { amount, served } = await settlement(length);
        expect(served).to.deep.include({ bytes: 10, ending: "hung_up" });
        expect(amount).to.equal(charge);
        expect(await net.balanceOf(payer)).to.equal(AMOUNT - charge);
        expect(await net.outstandingOf(payer)).to.equal(0n);
      });

      it("charges nothing and frees the payer's money when the client hangs up before the first byte", async () => {
        const hangUp = new AbortController();
        const { length } = shop.settled;
        const { payer, answering } = await buy(path, hangUp.signal);
        await answering;
        hangUp.abort();
        await body.cancelled;
        expect(await settlement(length)).to.deep.include({ amount: 0n, transaction: "" });
        expect(await net.outstandingOf(payer)).to.equal(0n);
        const again = fetch(`${shop.url}${path}`, {
          headers: { "payment-signature": await net.sign(payer, `${shop.url}${path}`) },
        });
        body = stagedBody();
        body.send(TEN_BYTES);
        body.end();
        expect(await (await again).text()).to.equal(TEN_BYTES);
        await settlement(length + 1);
        expect(await net.balanceOf(payer)).to.equal(AMOUNT - charge);
      });
    });
  }

  it("charges nothing when the client hangs up while the handler still works, which is told and whose answer is dropped", async () => {
    const hangUp = new AbortController();
    const { promise: ready, resolve: finish } = Promise.withResolvers<undefined>();
    const { promise: told, resolve: tell } = Promise.withResolvers<undefined>();
    prepare = async ({ signal }) => {
      signal.addEventListener("abort", () => tell(undefined));
      await ready;
    };
    const { length } = shop.settled;
    const { payer, answering } = await buy("/upto", hangUp.signal);
    answering.catch(() => undefined);
    await until(async () => runs === 1);
    hangUp.abort();
    await told;
    expect(await settlement(length)).to.deep.include({ amount: 0n });
    expect(await net.outstandingOf(payer)).to.equal(0n);
    finish(undefined);
    await body.cancelled;
    expect(shop.settled).to.have.length(length + 1);
  });

  it("charges by what was sent when the handler's stream breaks off, and nothing under exact", async () => {
    for (const [path, charge] of [
      ["/upto", 10n * PER_BYTE],
      ["/exact", 0n],
    ] as const) {
      body = stagedBody();
      const { length } = shop.settled;
      const { payer, answering } = await buy(path);
      const reader = readerOf(await answering);
      body.send(TEN_BYTES);
      expect(await nextText(reader)).to.equal(TEN_BYTES);
      body.fail(new Error("the model broke"));
      expect(await reader.read().catch(() => "broken off")).to.equal("broken off");
      const { amount, served } = await settlement(length);
      expect([amount, served.ending]).to.deep.equal([charge, "failed"]);
      expect(await net.outstandingOf(payer)).to.equal(0n);
    }
  });

  it("runs the handler once for one payment, sent five times at once, with a payment-identifier too", async () => {
    const { length } = shop.settled;
    const { header } = await buy("/upto");
    await until(async () => runs === 1);
    const answers = await Promise.all(
      [header, identified(header), identified(header), header].map((sent) =>
        fetch(`${shop.url}/upto`, { headers: { "payment-signature": sent } }),
      ),
    );
    expect(answers.map(({ status }) => status)).to.deep.equal([402, 402, 402, 402]);
    expect(runs).to.equal(1);
    body.end();
    await settlement(length);
  });

  it("charges for a stream whose payment is sent again while the facilitator is away", async () => {
    const { length } = shop.settled;
    const { payer, header, answering } = await buy("/upto");
    const reader = readerOf(await answering);
    body.send(TEN_BYTES);
    expect(await nextText(reader)).to.equal(TEN_BYTES);
    await net.stop();
    const again = await fetch(`${shop.url}/upto`, { headers: { "payment-signature": header } });
    expect(again.status).to.equal(402);
    await net.start();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    body.end();
    expect(await settlement(length)).to.deep.include({ amount: 10n * PER_BYTE });
    expect([runs, await net.balanceOf(payer)]).to.deep.equal([1, AMOUNT - 10n * PER_BYTE]);
  });

  it("settles later when the facilitator was away while the stream ran", async () => {
    const { length } = shop.settled;
    const { payer, answering } = await buy("/upto");
    const reader = readerOf(await answering);
    await net.stop();
    body.send(TEN_BYTES);
    expect(await nextText(reader)).to.equal(TEN_BYTES);
    body.end();
    expect(await nextText(reader)).to.equal(undefined);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([shop.settled.length, shop.failed.length]).to.deep.equal([length, 0]);
    await net.start();
    expect(await settlement(length)).to.deep.include({ amount: 10n * PER_BYTE });
    expect(await net.balanceOf(payer)).to.equal(AMOUNT - 10n * PER_BYTE);
    expect(await net.outstandingOf(payer)).to.equal(0n);
  });
});

/** The same payment under an identifier of the payer's choice; the signature does not cover it. */
function identified(header: string): string {
  const payment = JSON.parse(atob(header)) as { extensions?: object };
  const extensions = { ...payment.extensions, "payment-identifier": { info: { required: false, id: "a".repeat(16) } } };
  return btoa(JSON.stringify({ ...payment, extensions }));
}
