import type { PaymentPayload } from "@x402/core/types";
import { id } from "ethers";
import type { ErrorCode } from "#protocol/errors.ts";
import type { InferRequestJson } from "#protocol/request.ts";
import { someInputs } from "./doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { infer } from "./paidRequest.ts";
import { refused } from "./refused.ts";
import { plainRequest, startStockPayer, type StockPayer } from "./stockPayment.ts";

describe("bad input in a payment of scheme upto", () => {
  let fixture: GatewayFixture;
  let payer: StockPayer;

  before(async () => {
    fixture = await gatewayFixture();
    payer = await startStockPayer(fixture);
  });

  after(async () => {
    await payer.stop();
    await fixture.stop();
  });

  const expectRefusal = (response: Response, code: ErrorCode): Promise<void> => refused(fixture, response, code);

  interface UptoPayload extends PaymentPayload {
    payload: { signature: string; permit2Authorization: UptoAuthorization };
  }
  interface UptoAuthorization {
    deadline: string;
    permitted: Record<string, unknown>;
    witness: Record<string, unknown>;
  }
  const alterations: [string, ErrorCode, (payment: UptoPayload) => void][] = [
    ["another chain", "invalid_network", ({ accepted }) => (accepted.network = "eip155:1")],
    ["scheme exact", "unsupported_scheme", ({ accepted }) => (accepted.scheme = "exact")],
    ["scheme task over the same payload", "invalid_payment_header", ({ accepted }) => (accepted.scheme = "task")],
    ["no extra", "invalid_payment_header", (payment) => delete (payment.accepted as { extra?: unknown }).extra],
    ["no salt", "invalid_payment_header", ({ accepted }) => delete accepted.extra["salt"]],
    ["another salt", "task_request_mismatch", ({ accepted }) => (accepted.extra["salt"] = id("salt"))],
    ["another request", "task_request_mismatch", ({ accepted }) => (accepted.extra["request"] = id("request"))],
    ["another amount", "task_terms_mismatch", ({ accepted }) => (accepted.amount = "1")],
    ["more time", "task_terms_mismatch", ({ accepted }) => (accepted.maxTimeoutSeconds = 86_400)],
    ["another recipient", "task_terms_mismatch", ({ accepted }) => (accepted.payTo = `0x${"01".repeat(20)}`)],
    [
      "another facilitator",
      "task_terms_mismatch",
      ({ accepted }) => (accepted.extra["facilitatorAddress"] = `0x${"01".repeat(20)}`),
    ],
    [
      "an object without a text for a token",
      "task_terms_mismatch",
      ({ accepted }) => ((accepted as { asset: unknown }).asset = { toString: 1 }),
    ],
    [
      "a longer text than anybody wants to read for a token",
      "task_terms_mismatch",
      ({ accepted }) => (accepted.asset = "0".repeat(5_000)),
    ],
    [
      "a lower amount permitted",
      "permit2_amount_mismatch",
      ({ payload }) => (payload.permit2Authorization.permitted["amount"] = "1"),
    ],
    [
      "2^256 permitted",
      "invalid_payment_header",
      ({ payload }) => (payload.permit2Authorization.permitted["amount"] = String(2n ** 256n)),
    ],
    [
      "a deadline that leaves no settle window",
      "permit2_deadline_expired",
      ({ payload }) => (payload.permit2Authorization.deadline = String(fixture.time.now + 60)),
    ],
    [
      "no end",
      "task_deadline_too_far",
      ({ payload }) => (payload.permit2Authorization.deadline = String(2n ** 256n - 1n)),
    ],
    [
      "no facilitator in the witness",
      "invalid_payment_header",
      ({ payload }) => delete payload.permit2Authorization.witness["facilitator"],
    ],
    [
      "a field nobody knows in the witness",
      "invalid_payment_header",
      ({ payload }) => (payload.permit2Authorization.witness["extra"] = "0x"),
    ],
    ["a signature that is no hex", "invalid_payment_header", ({ payload }) => (payload.signature = "0xzz")],
  ];
  for (const [what, code, alter] of alterations) {
    it(`${what}: ${code}`, async () => {
      const header = await payer.pay({ alter: (payload) => alter(payload as UptoPayload) });
      await expectRefusal(await infer(fixture, plainRequest, header), code);
    });
  }

  const otherRequests: [string, Partial<InferRequestJson>][] = [
    ["other inputs", { inputs: { x: { ...someInputs.x, data: [1, 2, 4] } } }],
    ["another salt", { salt: id("another") }],
  ];
  for (const [what, request] of otherRequests) {
    it(`sent with ${what}: task_request_mismatch`, async () => {
      await expectRefusal(
        await infer(fixture, { ...plainRequest, ...request }, await payer.pay()),
        "task_request_mismatch",
      );
    });
  }

  it("a key twice: invalid_payment_header", async () => {
    const text = Buffer.from(await payer.pay(), "base64").toString();
    const twice = text.replace('"x402Version":2', '"x402Version":2,"x402Version":2');
    const header = Buffer.from(twice).toString("base64");
    await expectRefusal(await infer(fixture, plainRequest, header), "invalid_payment_header");
  });
});
