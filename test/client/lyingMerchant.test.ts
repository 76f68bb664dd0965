import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from "@x402/core/http";
import { expect } from "chai";
import { id, Wallet, ZeroAddress } from "ethers";
import { type ClientOptions, createClient, type Fetch, OpgError } from "#client/index.ts";
import { activeNode } from "./lyingChain.ts";
import { merchant, otherToken, testNetwork } from "./testNetwork.ts";

const key = new Wallet(`0x${"22".repeat(32)}`);
const { opg, taskEscrow } = testNetwork.contracts;
const [facilitator] = testNetwork.facilitators;
const now = Date.UTC(2026, 0, 15, 12) / 1000;

const honest = {
  scheme: "exact",
  network: "eip155:31337",
  amount: "10",
  asset: opg,
  payTo: merchant,
  maxTimeoutSeconds: 60,
  extra: { assetTransferMethod: "permit2" } as Record<string, unknown>,
};

const task = {
  payer: ZeroAddress,
  node: merchant,
  model: id("model"),
  request: id("request"),
  policy: 0,
  maxAmount: "10",
  deadline: now + 100,
  nonce: "1",
};
const taskEntry = {
  ...honest,
  scheme: "task",
  payTo: taskEscrow,
  extra: { task, salt: id("salt"), facilitator: facilitator?.address, settleWindowSeconds: 300 },
};

/** What the chain says of every node. */
const entry = {
  ...{ operator: merchant, payout: merchant, measurement: id("measurement"), tlsKeyHash: id("TLS key") },
  ...{ status: 1n, sequence: 1n, admittedInBlock: 1n, leaseUntil: BigInt(task.deadline) },
};

/** The same with other terms of the task payment. */
const withTask = (extra: object): object => ({ ...taskEntry, extra: { ...taskEntry.extra, ...extra } });

/** The header of a 402 that asks for `accepts`. */
function offer(...accepts: object[]): string {
  const resource = { url: "http://api.test/paid" };
  return encodePaymentRequiredHeader({ x402Version: 2, resource, accepts } as never);
}

function asksFor(header: string): Response {
  return new Response("{}", { status: 402, headers: { "payment-required": header } });
}

describe("client.fetch at a lying server", () => {
  let signatures: unknown[];
  let requests: { url: string; paid: boolean }[];

  beforeEach(() => {
    signatures = [];
    requests = [];
  });

  const signer = {
    address: key.address,
    signTypedData: (...document: Parameters<typeof key.signTypedData>) => {
      signatures.push(document[2]);
      return key.signTypedData(...document);
    },
  };

  function client(server: (paid: boolean, url: string) => Response, options: Partial<ClientOptions> = {}) {
    const fetch: Fetch = async (url, init) => {
      if (url === testNetwork.rpcUrl) return activeNode(init.body, entry);
      const paid = init.headers["payment-signature"] !== undefined;
      requests.push({ url, paid });
      return server(paid, url);
    };
    const { gateway } = testNetwork;
    return createClient({ gateway, network: testNetwork, signer, fetch, maxAmount: 10n, clock: () => now, ...options });
  }

  async function refusal(server: (paid: boolean, url: string) => Response, options?: Partial<ClientOptions>) {
    const error = await client(server, options)
      .fetch("http://api.test/paid")
      .catch((cause: unknown) => cause);
    if (error instanceof OpgError) return error;
    throw new Error("the lie was believed", { cause: error });
  }

  describe("signs nothing for an offer whose header is", () => {
    const headers: [string, string][] = [
      ["not base64", "%%%"],
      ["base64 of half a character", "e30=e"],
      ["no JSON", btoa("{")],
      ["a number", btoa("7")],
      ["null", btoa("null")],
      ["of another version", btoa(JSON.stringify({ x402Version: 1, accepts: [honest] }))],
      ["without a list", btoa(JSON.stringify({ x402Version: 2, accepts: { ...honest } }))],
      ["a list of more than anybody reads", offer(...Array.from({ length: 33 }, () => honest))],
      ["larger than anybody sends", offer({ ...honest, extra: { padding: "x".repeat(70_000) } })],
      [
        "nested beyond all use",
        btoa(`{"x402Version":2,"accepts":[],"extensions":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`),
      ],
    ];
    for (const [what, header] of headers) {
      it(what, async () => {
        const { code } = await refusal(() => asksFor(header));
        expect(code).to.be.oneOf(["invalid_offer", "unpayable_offer"]);
        expect(signatures).to.deep.equal([]);
      });
    }
  });

  describe("signs nothing for an entry with", () => {
    const upto = { ...honest, scheme: "upto" };
    const entries: [string, object, RegExp][] = [
      ["a float", { ...honest, amount: "1.5" }, /amount/],
      ["a number", { ...honest, amount: 10 }, /amount/],
      ["an exponent", { ...honest, amount: "1e1" }, /amount/],
      ["a negative amount", { ...honest, amount: "-1" }, /amount/],
      ["2^256", { ...honest, amount: (1n << 256n).toString() }, /amount/],
      ["digits of another script", { ...honest, amount: "\u0661\u0660" }, /amount/],
      ["no address", { ...honest, payTo: "merchant.eth" }, /payTo/],
      ["a wrong checksum", { ...honest, payTo: merchant.replace("D", "d") }, /payTo/],
      ["a signature for a year", { ...honest, maxTimeoutSeconds: 31_536_000 }, /maxTimeoutSeconds/],
      ["no time at all", { ...honest, maxTimeoutSeconds: 0 }, /maxTimeoutSeconds/],
      ["a network that only looks alike", { ...honest, network: "eip155:31337 " }, /another chain/],
      ["an unknown scheme", { ...honest, scheme: "everything" }, /unknown scheme \(everything\)/],
      ["an unknown transfer method", { ...honest, extra: { assetTransferMethod: ["permit2"] } }, /transfer method/],
      ["no facilitator", upto, /facilitatorAddress/],
      [
        "a stranger's entry for TaskEscrow",
        { ...upto, payTo: taskEscrow, extra: { facilitatorAddress: merchant } },
        /network's/,
      ],
      ["a plain transfer to TaskEscrow", { ...honest, payTo: taskEscrow }, /TaskEscrow/],
      ["no name of the token", { ...honest, extra: { name: "OPG" } }, /name and version/],
      ["another escrow for its task", { ...taskEntry, payTo: merchant }, /"payTo" is not the network's/],
      ["a stranger who releases its task", withTask({ facilitator: merchant }), /"facilitator" is not/],
      ["a task locked for longer", withTask({ settleWindowSeconds: 3_000 }), /"settleWindowSeconds" is not/],
      ["a dearer task than said", withTask({ task: { ...task, maxAmount: "11" } }), /"task.maxAmount" is not/],
      ["a task due in an hour", withTask({ task: { ...task, deadline: now + 3_600 } }), /"task.deadline" is not/],
      ["a task that is none", { ...honest, scheme: "task" }, /extra/],
    ];
    for (const [what, entry, why] of entries) {
      it(what, async () => {
        const { code, message } = await refusal(() => asksFor(offer(entry)));
        expect(code).to.equal("unpayable_offer");
        expect(message).to.match(why);
        expect(signatures).to.deep.equal([]);
      });
    }

    it("nothing but an empty list", async () => {
      expect((await refusal(() => asksFor(offer()))).code).to.equal("unpayable_offer");
    });
  });

  it("signs a task as offered, with its own address and nonce", async () => {
    await client((paid) => (paid ? new Response("sold") : asksFor(offer(taskEntry)))).fetch("http://api.test/paid");
    const [signed] = signatures as [{ nonce: bigint; spender: string; deadline: bigint; witness: object }];
    expect(signed).to.include({ spender: taskEscrow, deadline: BigInt(now + 400) });
    expect(signed.witness).to.deep.include({ ...task, payer: key.address, maxAmount: 10n, nonce: signed.nonce });
  });

  it("pays an entry of this network's own facilitator into TaskEscrow", async () => {
    const extra = { facilitatorAddress: facilitator?.entry };
    const entry = { ...honest, scheme: "upto", payTo: taskEscrow, extra };
    await client((paid) => (paid ? new Response("sold") : asksFor(offer(entry)))).fetch("http://api.test/paid");
    expect(signatures).to.have.length(1);
  });

  it("pays nobody where a redirect led", async () => {
    const elsewhere = (): Response => {
      const response = asksFor(offer(honest));
      Object.defineProperties(response, { url: { value: "http://evil.test/paid" }, redirected: { value: true } });
      return response;
    };
    const error = await refusal(elsewhere);
    expect(error).to.deep.include({ code: "invalid_offer", values: { field: "url", url: "http://evil.test/paid" } });
    expect(signatures).to.deep.equal([]);
  });

  it("carries no payment along a redirect", async () => {
    const moved = new Response(null, { status: 307, headers: { location: "http://evil.test/" } });
    const response = await client((paid) => (paid ? moved : asksFor(offer(honest)))).fetch("http://api.test/paid");
    expect(response.status).to.equal(307);
    expect(requests.map(({ url }) => url)).to.deep.equal(["http://api.test/paid", "http://api.test/paid"]);
  });

  it("pays once where payment is asked for without end", async () => {
    const error = await refusal(() => asksFor(offer(honest)));
    expect(error.code).to.equal("payment_refused");
    expect(signatures).to.have.length(1);
    expect(requests.map(({ paid }) => paid)).to.deep.equal([false, true]);
  });

  it("pays once where an allowance is asked for without end", async () => {
    const required = {
      x402Version: 2,
      error: "permit2_allowance_required",
      accepts: [{ ...honest, extra: { name: "OPG", version: "1" } }],
    };
    const extensions = { eip2612GasSponsoring: { info: { amount: "999", spender: merchant, version: "1" } } };
    const header = encodePaymentRequiredHeader({ ...required, extensions } as never);
    const body = JSON.stringify({ error: { code: "permit2_allowance_required", message: "Allow.", permitNonce: "0" } });
    const server = (paid: boolean): Response =>
      paid ? new Response(body, { status: 412, headers: { "payment-required": header } }) : asksFor(offer(honest));
    const error = await refusal(server, { allowance: "permit" });
    expect(error.code).to.equal("permit2_allowance_required");
    expect(signatures).to.have.length(2);
    expect(signatures[1]).to.include({ value: 10n, owner: key.address }).and.not.to.include({ spender: merchant });
    expect(requests.map(({ paid }) => paid)).to.deep.equal([false, true, true]);
  });

  it("pays no second time when the price rises after the first", async () => {
    let price = 5;
    const rising = (): Response => asksFor(offer({ ...honest, amount: String(price++) }));
    expect((await refusal(rising)).code).to.equal("payment_refused");
    expect(signatures).to.have.length(1);
    expect(signatures[0]).to.have.nested.property("permitted.amount", 5n);
  });

  it("pays nobody else when another payee is named after the first", async () => {
    const offers = [offer(honest), offer({ ...honest, payTo: otherToken })];
    expect((await refusal(() => asksFor(offers.shift() ?? ""))).code).to.equal("payment_refused");
    expect(signatures).to.have.length(1);
    expect(signatures[0]).to.have.nested.property("witness.to", merchant);
  });

  describe("believes no settlement", () => {
    const said = { success: true, transaction: `0x${"00".repeat(32)}`, network: "eip155:31337", amount: "10" } as const;
    const lies: [string, object][] = [
      ["of more than was signed", { ...said, amount: "11" }],
      ["on another chain", { ...said, network: "eip155:1" }],
      ["of somebody else", { ...said, payer: merchant }],
      ["by something that is no transaction", { ...said, transaction: "javascript:alert(1)" }],
      ["that failed", { ...said, success: false }],
    ];
    for (const [what, lie] of lies) {
      it(what, async () => {
        const headers = { "payment-response": encodePaymentResponseHeader(lie as never) };
        const paying = client((paid) => (paid ? new Response("sold", { headers }) : asksFor(offer(honest))));
        expect(await (await paying.fetch("http://api.test/paid")).text()).to.equal("sold");
        expect((await paying.receipts())[0]?.settlement).to.equal(null);
      });
    }
  });

  it("reads no more of a refusal than it needs, and shows little of it", async () => {
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    });
    const required = { x402Version: 2, error: `\u001b[31m${"no".repeat(500)}`, accepts: [] };
    const headers = { "payment-required": encodePaymentRequiredHeader(required as never) };
    const refused = new Response(endless, { status: 402, headers });
    const error = await refusal((paid) => (paid ? refused : asksFor(offer(honest))));
    expect(error.code).to.equal("payment_refused");
    expect(error.values["reason"]).to.match(/^\?[\w?]{1,99}$/);
  });
});
