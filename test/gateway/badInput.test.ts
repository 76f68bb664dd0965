import type { PaymentPayload } from "@x402/core/types";
import { id } from "ethers";
import type { ErrorCode } from "#protocol/errors.ts";
import type { InferRequestJson } from "#protocol/request.ts";
import type { Task, TaskJson } from "#protocol/task.ts";
import { someInputs } from "./doublingModel.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, payFor, someRequest } from "./paidRequest.ts";
import { refused } from "./refused.ts";

describe("bad input to the gateway", () => {
  let fixture: GatewayFixture;

  before(async () => {
    fixture = await gatewayFixture();
  });

  after(() => fixture.stop());

  const expectRefusal = (response: Response, code: ErrorCode): Promise<void> => refused(fixture, response, code);

  describe("in the body", () => {
    const x = someInputs.x;
    const bodies: [string, ErrorCode, unknown][] = [
      ["no JSON", "malformed_json", "{"],
      ["an empty body", "malformed_json", ""],
      ["a list", "invalid_body", "[]"],
      ["no model", "invalid_body", { inputs: someInputs }],
      ["a field nobody knows", "invalid_body", { model: "doubling", inputs: someInputs, prompt: "hello" }],
      ["a number for a nonce", "invalid_body", { model: "doubling", inputs: someInputs, nonce: 1 }],
      ["a nonce of 2^256", "invalid_body", { model: "doubling", inputs: someInputs, nonce: String(2n ** 256n) }],
      ["a payer that is no address", "invalid_body", { model: "doubling", inputs: someInputs, payer: "0x12" }],
      ["a salt of 31 bytes", "invalid_body", { model: "doubling", inputs: someInputs, salt: `0x${"00".repeat(31)}` }],
      ["an unknown dtype", "invalid_body", { model: "doubling", inputs: { x: { ...x, dtype: "float16" } } }],
      ["a negative dimension", "invalid_body", { model: "doubling", inputs: { x: { ...x, shape: [1, -3] } } }],
      ["data that is no base64", "invalid_body", { model: "doubling", inputs: { x: { ...x, data: "%%%" } } }],
      ["a model nobody published", "unknown_model", { model: "tripling", inputs: someInputs }],
      ["a versionId nobody published", "unknown_model", { model: id("nothing"), inputs: someInputs }],
      ["no input", "invalid_tensor", { model: "doubling", inputs: {} }],
      ["an input too many", "invalid_tensor", { model: "doubling", inputs: { x, z: x } }],
      ["another type", "invalid_tensor", { model: "doubling", inputs: { x: { ...x, dtype: "int32" } } }],
      ["another rank", "invalid_tensor", { model: "doubling", inputs: { x: { ...x, shape: [3] } } }],
      ["another fixed dimension", "invalid_tensor", { model: "doubling", inputs: { x: { ...x, shape: [3, 1] } } }],
      ["too little data", "invalid_tensor", { model: "doubling", inputs: { x: { ...x, data: [1, 2] } } }],
      ["text among floats", "invalid_tensor", { model: "doubling", inputs: { x: { ...x, data: [1, 2, "3"] } } }],
    ];
    for (const [what, code, body] of bodies) {
      it(`${what}: ${code}`, async () => expectRefusal(await infer(fixture, body), code));
    }

    it("too large: body_too_large", async () => {
      await expectRefusal(await infer(fixture, " ".repeat(100_001)), "body_too_large");
    });

    it("another media type: unsupported_media_type", async () => {
      const response = await fixture.app.request("/v1/infer", {
        method: "POST",
        body: JSON.stringify(someRequest(fixture)),
      });
      await expectRefusal(response, "unsupported_media_type");
    });
  });

  describe("in the address", () => {
    const addresses: [string, string, ErrorCode][] = [
      ["GET", "/v1/infer", "method_not_allowed"],
      ["DELETE", "/v1/models", "method_not_allowed"],
      ["POST", "/v1/tasks/0x00", "method_not_allowed"],
      ["GET", "/v2/infer", "not_found"],
      ["GET", "/v1/models/tripling", "unknown_model"],
      ["GET", "/v1/tasks/0x00", "unknown_task"],
      ["GET", `/v1/tasks/${id("no task")}`, "unknown_task"],
    ];
    for (const [method, path, code] of addresses) {
      it(`${method} ${path}: ${code}`, async () => expectRefusal(await fixture.app.request(path, { method }), code));
    }
  });

  describe("in the payment header", () => {
    const base64 = (content: unknown): string => Buffer.from(JSON.stringify(content)).toString("base64");
    const headers: [string, ErrorCode, string][] = [
      ["nothing", "invalid_payment_header", ""],
      ["no base64", "invalid_payment_header", "{}"],
      ["base64 without its padding", "invalid_payment_header", "e30"],
      ["base64 of no JSON", "invalid_payment_header", Buffer.from("pay").toString("base64")],
      ["bytes that are no UTF-8", "invalid_payment_header", Buffer.from([0x22, 0xff, 0x22]).toString("base64")],
      ["a list", "invalid_payment_header", base64([])],
      ["an empty object", "invalid_payment_header", base64({})],
    ];
    for (const [what, code, header] of headers) {
      it(`${what}: ${code}`, async () => expectRefusal(await infer(fixture, someRequest(fixture), header), code));
    }
  });

  describe("in the payment", () => {
    type Payload = PaymentPayload & { payload: { permit2Authorization: Record<string, unknown> } };
    const alterations: [string, ErrorCode, (payment: Payload) => void][] = [
      ["version 1", "invalid_x402_version", (payment) => (payment.x402Version = 1)],
      ["another scheme", "unsupported_scheme", ({ accepted }) => (accepted.scheme = "exact")],
      ["another chain", "invalid_network", ({ accepted }) => (accepted.network = "eip155:1")],
      ["another token", "task_terms_mismatch", ({ accepted }) => (accepted.asset = `0x${"01".repeat(20)}`)],
      ["another recipient", "task_terms_mismatch", ({ accepted }) => (accepted.payTo = `0x${"01".repeat(20)}`)],
      [
        "another facilitator",
        "task_terms_mismatch",
        ({ accepted }) => (accepted.extra["facilitator"] = `0x${"01".repeat(20)}`),
      ],
      ["another settle window", "task_terms_mismatch", ({ accepted }) => (accepted.extra["settleWindowSeconds"] = 1)],
      ["another amount", "task_terms_mismatch", ({ accepted }) => (accepted.amount = "1")],
      ["another salt", "task_request_mismatch", ({ accepted }) => (accepted.extra["salt"] = id("salt"))],
      ["no task", "invalid_payment_header", ({ accepted }) => delete accepted.extra["task"]],
      ["a float for an amount", "invalid_payment_header", ({ accepted }) => (accepted.amount = "1.5")],
      ["a negative amount", "invalid_payment_header", ({ accepted }) => (accepted.amount = "-1")],
      ["no signature", "invalid_payment_header", ({ payload }) => delete payload["signature"]],
      ["a signature that is no hex", "invalid_payment_header", ({ payload }) => (payload["signature"] = "0xzz")],
      [
        "no authorization",
        "invalid_payment_header",
        ({ payload }) => delete (payload as Record<string, unknown>)["permit2Authorization"],
      ],
      [
        "a nonce of 2^256",
        "invalid_payment_header",
        ({ payload }) => (payload.permit2Authorization["nonce"] = String(2n ** 256n)),
      ],
      [
        "a field nobody knows",
        "invalid_payment_header",
        ({ payload }) => (payload.permit2Authorization["memo"] = "hi"),
      ],
    ];
    for (const [what, code, alter] of alterations) {
      it(`${what}: ${code}`, async () => {
        const header = await payFor(fixture, await askOffer(fixture), {
          alter: (payload) => alter(payload as Payload),
        });
        await expectRefusal(await infer(fixture, someRequest(fixture), header), code);
      });
    }

    const changes: [string, ErrorCode, (task: { now: number }) => Partial<Task>][] = [
      ["another node", "task_terms_mismatch", () => ({ node: `0x${"01".repeat(20)}` })],
      ["another model", "task_terms_mismatch", () => ({ model: id("model") })],
      ["another request", "task_terms_mismatch", () => ({ request: id("request") })],
      ["another way of checking", "task_terms_mismatch", () => ({ policy: 1 })],
      ["a lower ceiling than offered", "task_terms_mismatch", () => ({ maxAmount: 1n })],
      ["a later deadline than offered", "task_terms_mismatch", ({ now }) => ({ deadline: now + 121 })],
    ];
    for (const [what, code, change] of changes) {
      it(`${what} signed: ${code}`, async () => {
        const header = await payFor(fixture, await askOffer(fixture), { change: change(fixture.time) });
        await expectRefusal(await infer(fixture, someRequest(fixture), header), code);
      });
    }

    /** Changes the task that was offered and the one that is signed alike, as only a gateway's own lie would. */
    async function payForTask(change: Partial<TaskJson>): Promise<string> {
      const required = await askOffer(fixture);
      const [accepted] = required.accepts;
      Object.assign(accepted?.extra["task"] as object, change);
      if (accepted && change.maxAmount !== undefined) accepted.amount = change.maxAmount;
      return payFor(fixture, required);
    }

    it("below the price, in offer and signature alike: task_underpaid", async () => {
      await expectRefusal(
        await infer(fixture, someRequest(fixture), await payForTask({ maxAmount: "1535" })),
        "task_underpaid",
      );
    });

    it("of a task that ends too late: task_deadline_too_far", async () => {
      const header = await payForTask({ deadline: fixture.time.now + 131 });
      await expectRefusal(await infer(fixture, someRequest(fixture), header), "task_deadline_too_far");
    });

    it("after its deadline: permit2_deadline_expired", async () => {
      const header = await payForTask({ deadline: fixture.time.now });
      await expectRefusal(await infer(fixture, someRequest(fixture), header), "permit2_deadline_expired");
    });

    const otherRequests: [string, Partial<InferRequestJson>][] = [
      ["other inputs", { inputs: { x: { ...someInputs.x, data: [1, 2, 4] } } }],
      ["another salt", { salt: id("another") }],
    ];
    for (const [what, request] of otherRequests) {
      it(`sent with ${what}: task_request_mismatch`, async () => {
        const header = await payFor(fixture, await askOffer(fixture));
        await expectRefusal(await infer(fixture, someRequest(fixture, request), header), "task_request_mismatch");
      });
    }
  });
});
