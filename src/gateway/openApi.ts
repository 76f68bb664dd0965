import { z } from "zod";
import { batchProofJson } from "#protocol/batchProof.ts";
import { type ErrorCode, errorStatus } from "#protocol/errors.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { streamStepJson } from "#protocol/messages.ts";
import { modelListingJson } from "#protocol/model.ts";
import { networkJson } from "#protocol/network.ts";
import { demandJson, nodeListingJson, nodeListJson } from "#protocol/nodeListing.ts";
import { taskPayloadJson, taskRequirementsJson } from "#protocol/payment.ts";
import { prefundedPayloadJson } from "#protocol/prefunded.ts";
import { proxyPayloadJson } from "#protocol/proxyPayment.ts";
import { inferRequestJson } from "#protocol/request.ts";
import { trailJson } from "#protocol/settlement.ts";
import { EVENT_STREAM } from "#service/sendEvents.ts";
import { uptoRequirementsJson } from "./uptoTerms.ts";

const errorCodes = Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]];

const paymentRequiredJson = z.object({
  x402Version: z.literal(2),
  error: z.enum(errorCodes),
  resource: z.object({ url: z.url(), description: z.string(), mimeType: z.string() }),
  accepts: z.tuple([taskRequirementsJson, uptoRequirementsJson, taskRequirementsJson]),
  extensions: z.record(z.string(), z.looseObject({ info: z.looseObject({}) })),
  message: z.string(),
});

const readinessJson = z.object({
  status: z.enum(["ready", "not_ready", "draining"]),
  missing: z.record(z.string(), z.string()),
});

/** What payments of all schemes have beside their own parts. */
const paymentShape = {
  x402Version: z.literal(2),
  resource: z.looseObject({ url: z.string() }).optional(),
  extensions: z.record(z.string(), z.unknown()).optional(),
};

/** Every shape of the public interface, by its name in the document; the routes read with the same schemas. */
const schemas = {
  BatchProof: batchProofJson,
  Demand: demandJson,
  Error: z.object({ error: z.looseObject({ code: z.enum(errorCodes), message: z.string() }) }),
  Health: z.object({ status: z.literal("ok") }),
  InferAnswer: inferAnswerJson,
  InferRequest: inferRequestJson,
  Model: modelListingJson,
  Models: z.object({ models: z.array(modelListingJson) }),
  Network: networkJson,
  Node: nodeListingJson,
  Nodes: nodeListJson,
  PaymentPayload: z.union([
    z.object({ ...paymentShape, accepted: taskRequirementsJson, payload: taskPayloadJson }),
    z.object({ ...paymentShape, accepted: uptoRequirementsJson, payload: proxyPayloadJson.upto }),
    z.object({ ...paymentShape, accepted: taskRequirementsJson, payload: prefundedPayloadJson }),
  ]),
  PaymentRequired: paymentRequiredJson,
  Readiness: readinessJson,
  StreamStep: streamStepJson,
  Trail: trailJson,
} as const;

type SchemaName = keyof typeof schemas;

const info = {
  title: "OPG gateway",
  version: "1",
  description: "Single inferences, paid with one signature, checked by verifiers before the money is divided.",
  license: { name: "MIT", identifier: "MIT" },
};

/** OpenAPI 3.1 document of the public routes. @param url - the gateway's public address */
export function openApi(url: string) {
  return {
    openapi: "3.1.0",
    info,
    servers: [{ url }],
    paths: {
      "/v1/models": { get: operation("listModels", "Models that can be run", "Models", ["hub_unavailable"]) },
      "/v1/models/{model}": {
        get: {
          ...operation("getModel", "One model", "Model", ["unknown_model", "invalid_model", "hub_unavailable"]),
          parameters: [pathParameter("model", "name, name@version or versionId")],
        },
      },
      ...nodePaths(),
      "/v1/infer": { post: inferOperation() },
      ...taskPaths(),
      "/network.json": { get: operation("getNetwork", "The network's contracts and parties", "Network", []) },
      "/health": { get: operation("getHealth", "Whether the gateway runs", "Health", []) },
      "/ready": { get: readyOperation() },
      "/": { get: pageOperation("showHome", "What this is, its models and recent tasks, for people") },
    },
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, jsonSchema(schema)])),
    },
  };
}

function nodePaths() {
  const after = { name: "after", in: "query", required: false, description: "`next` of the page before" };
  const list = operation("listNodes", "Active nodes, and what this gateway measured of them", "Nodes", [
    "unknown_node",
  ]);
  return {
    "/v1/nodes": { get: { ...list, parameters: [{ ...after, schema: { type: "string" } }] } },
    "/v1/nodes/{address}": {
      get: {
        ...operation("getNode", "One active node, and what this gateway measured of it", "Node", ["unknown_node"]),
        parameters: [pathParameter("address", "0x and 40 hex digits")],
      },
    },
    "/v1/demand": {
      get: operation("getDemand", "What was asked of this gateway in the last minutes, by version", "Demand", []),
    },
  };
}

function taskPaths() {
  const parameters = [pathParameter("taskId", "0x and 64 hex digits")];
  const codes = ["unknown_task", "facilitator_unavailable"] as const;
  const proof = operation("getProof", "How a call is in the batch that settled it", "BatchProof", [
    ...codes,
    "not_settled_yet",
    "nothing_charged",
  ]);
  return {
    "/v1/tasks/{taskId}": {
      get: { ...operation("getTask", "The trail of a task", "Trail", codes), parameters },
    },
    "/v1/tasks/{taskId}/proof": { get: { ...proof, parameters } },
    "/tasks/{taskId}": {
      get: { ...pageOperation("showTask", "The trail of a task, for people"), parameters },
    },
  };
}

const inferCodes: readonly ErrorCode[] = [
  "malformed_json",
  "invalid_tensor",
  "invalid_payment_header",
  "unknown_model",
  "permit2_allowance_required",
  "body_too_large",
  "unsupported_media_type",
  "execution_failed",
  "result_refused",
  "payment_identifier_conflict",
  "answer_expired",
  "no_active_node",
  "timeout",
];

const paymentHeader = {
  name: "PAYMENT-SIGNATURE",
  in: "header",
  required: false,
  description: "Base64 of the JSON of a PaymentPayload; without it the answer is an offer.",
  schema: {
    type: "string",
    contentEncoding: "base64",
    contentMediaType: "application/json",
    contentSchema: ref("PaymentPayload"),
  },
};

function inferOperation() {
  const { responses, ...rest } = operation(
    "infer",
    "Offer a request for payment, or run it",
    "InferAnswer",
    inferCodes,
  );
  const offered =
    "An offer: sign accepts[0] and repeat the request. Or why the payment that was sent does not pay for it.";
  return {
    ...rest,
    parameters: [paymentHeader],
    requestBody: { required: true, content: { "application/json": { schema: ref("InferRequest") } } },
    responses: {
      ...responses,
      "200": {
        description: "The checked answer, or, for who accepts events, its steps as the enclave signs them and then it",
        content: { "application/json": { schema: ref("InferAnswer") }, [EVENT_STREAM]: eventsOfInfer() },
        headers: headers("PAYMENT-RESPONSE", "Base64 JSON of x402's SettleResponse"),
      },
      "402": {
        ...json(offered, { anyOf: [ref("PaymentRequired"), ref("Error")] }),
        headers: headers(
          "PAYMENT-REQUIRED",
          "Base64 JSON of a PaymentRequired: a new offer, and in error why it is made",
        ),
      },
    },
  };
}

/** Each event has JSON as its data. */
function eventsOfInfer() {
  const description =
    "Events `step` with a StreamStep, at the end `answer` with an InferAnswer or `error` with an Error. A model whose " +
    "listing says `streams` answers step by step; any other gives the last event alone. Who hangs up is charged for the " +
    "steps handed out by then, by the meter.";
  return { schema: { type: "string", description }, "x-events": eventSchemas };
}

const eventSchemas = { step: ref("StreamStep"), answer: ref("InferAnswer"), error: ref("Error") };

function operation(operationId: string, summary: string, answer: SchemaName, codes: readonly ErrorCode[]) {
  const every: readonly ErrorCode[] = [...codes, "internal", "chain_unavailable"];
  const errors = Map.groupBy(every, (code) => String(errorStatus[code]));
  return {
    operationId,
    summary,
    responses: {
      "200": json("As asked", ref(answer)),
      ...Object.fromEntries(
        [...errors].map(([status, these]) => [status, json(`Error: ${these.join(", ")}`, ref("Error"))]),
      ),
    },
  };
}

function readyOperation() {
  const { operationId, summary, responses } = operation(
    "getReadiness",
    "Whether it can take requests",
    "Readiness",
    [],
  );
  const missing = json("It cannot: what is missing, or that it is about to end", ref("Readiness"));
  return { operationId, summary, responses: { "200": responses["200"], "503": missing } };
}

function pageOperation(operationId: string, summary: string) {
  const content = { "text/html": { schema: { type: "string" } } };
  return {
    operationId,
    summary,
    responses: {
      "200": { description: "A page", content },
      default: { description: "An error, said in a page", content },
    },
  };
}

function pathParameter(name: string, description: string) {
  return { name, in: "path", required: true, description, schema: { type: "string" } };
}

function json(description: string, schema: object) {
  return { description, content: { "application/json": { schema } } };
}

function headers(name: string, description: string) {
  return { [name]: { description, schema: { type: "string" } } };
}

function ref(name: SchemaName) {
  return { $ref: `#/components/schemas/${name}` };
}

function jsonSchema(schema: z.ZodType) {
  return z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" });
}
