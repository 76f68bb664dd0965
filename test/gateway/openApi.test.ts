import { expect } from "chai";
import { z } from "zod";
import { openApi } from "#gateway/openApi.ts";
import { gatewayFixture, type GatewayFixture } from "./gatewayFixture.ts";
import { askOffer, infer, payFor, someRequest } from "./paidRequest.ts";

type Schema = Parameters<typeof z.fromJSONSchema>[0];

const document = openApi("http://gateway.test");
const { schemas } = document.components;

/** Checks a value against a schema of the document, as a reader of only the document would. */
function accepts(name: string, value: unknown): boolean {
  return z.fromJSONSchema(schemas[name] as Schema).safeParse(value).success;
}

describe("the OpenAPI document", () => {
  it("is version 3.1 with operations that have an id of their own and describe every answer", () => {
    expect(document.openapi).to.equal("3.1.0");
    const operations = Object.values(document.paths).flatMap((path) =>
      Object.values(path as Record<string, Operation>),
    );
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).to.equal(ids.length);
    for (const { responses, operationId } of operations) {
      expect(responses, operationId).to.have.property("200");
      for (const response of Object.values(responses)) expect(response.description).to.be.a("string").and.not.equal("");
    }
  });

  it("declares the parameters of every path", () => {
    for (const [path, item] of Object.entries(document.paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = Object.values(item as Record<string, Operation>).flatMap(({ parameters = [] }) =>
        parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name),
      );
      expect(declared, path).to.deep.equal(named);
    }
  });

  it("refers only to schemas that it has", () => {
    const references = [...JSON.stringify(document.paths).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    expect(references).not.to.be.empty;
    for (const [, name] of references) expect(schemas).to.have.property(String(name));
  });

  describe("beside the gateway itself", () => {
    let fixture: GatewayFixture;

    before(async () => {
      fixture = await gatewayFixture();
    });

    after(() => fixture.stop());

    it("is served, and each of its paths is answered", async () => {
      expect(await (await fixture.app.request("/openapi.json")).json()).to.deep.equal(
        JSON.parse(JSON.stringify(document)),
      );
      for (const [path, item] of Object.entries(document.paths)) {
        const [method = ""] = Object.keys(item);
        const response = await fixture.app.request(path.replace(/\{\w+\}/, "any"), { method: method.toUpperCase() });
        expect(await response.text(), path).not.to.match(/"(not_found|method_not_allowed)"/);
      }
    });

    it("may be used from any web page, the payment headers included", async () => {
      const headers = { origin: "https://app.test", "access-control-request-method": "POST" };
      const response = await fixture.app.request("/v1/infer", { method: "OPTIONS", headers });
      expect(response.headers.get("access-control-allow-origin")).to.equal("*");
      expect(response.headers.get("access-control-allow-headers")).to.contain("payment-signature");
      const offer = await infer(fixture, someRequest(fixture));
      expect(offer.headers.get("access-control-expose-headers")).to.contain("payment-required");
    });

    const reads: [string, string][] = [
      ["/v1/models", "Models"],
      ["/v1/models/doubling", "Model"],
      ["/network.json", "Network"],
      ["/v1/nodes", "Nodes"],
      ["/v1/demand", "Demand"],
      ["/v1/nodes/0x", "Error"],
      ["/health", "Health"],
      ["/ready", "Readiness"],
      ["/v1/models/tripling", "Error"],
    ];
    for (const [path, name] of reads) {
      it(`describes what ${path} answers`, async () => {
        const content: unknown = await (await fixture.app.request(path)).json();
        expect(accepts(name, content)).to.equal(true);
        expect(accepts(name, { wrong: true })).to.equal(false);
      });
    }

    it("describes the whole way of a paid request", async () => {
      const body = someRequest(fixture);
      expect(accepts("InferRequest", body)).to.equal(true);
      expect(accepts("PaymentRequired", await (await infer(fixture, body)).json())).to.equal(true);
      const header = await payFor(fixture, await askOffer(fixture));
      expect(accepts("PaymentPayload", JSON.parse(Buffer.from(header, "base64").toString()))).to.equal(true);
      const answer = (await (await infer(fixture, body, header)).json()) as { taskId: string };
      expect(accepts("InferAnswer", answer)).to.equal(true);
      expect(accepts("Trail", await (await fixture.app.request(`/v1/tasks/${answer.taskId}`)).json())).to.equal(true);
    });
  });
});

interface Operation {
  operationId: string;
  responses: Record<string, { description: string }>;
  parameters?: { in: string; name: string }[];
}
