import { getAddress, hexlify } from "ethers";
import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import type { Receipt } from "../protocol/inferAnswer.ts";
import { type ModelListing, modelListingJson } from "../protocol/model.ts";
import { type Network, networkJson } from "../protocol/network.ts";
import { requestDigest } from "../protocol/request.ts";
import { type Trail, trailJson } from "../protocol/settlement.ts";
import {
  type NamedTensors,
  type Tensor,
  tensorFromJson,
  type TensorJson,
  tensorsDigest,
  tensorsFromJson,
} from "../protocol/tensors.ts";
import { callGateway, type Fetch, readAnswer } from "./callGateway.ts";
import { checkListing } from "./checkListing.ts";
import { checkReceipt } from "../protocol/checkReceipt.ts";
import { NonceAllocator } from "./nonceAllocator.ts";
import { payForRequest } from "./payForRequest.ts";
import type { PaymentSigner } from "./signer.ts";

const READ_TIMEOUT_SECONDS = 30;
const SALT_BYTES = 32;

const modelsJson = z.strictObject({ models: z.array(modelListingJson) });

/** What a client is made with. */
export interface ClientOptions {
  /** URL of the gateway. */
  gateway: string;
  signer: PaymentSigner;
  /** Ceiling for one call, atomic units of OPG; a dearer offer is refused before it is signed. */
  maxAmount?: bigint;
  /** The network's `network.json`, to hold the gateway to; without it the gateway's own is believed once and kept. */
  network?: z.input<typeof networkJson>;
  /** Instead of the global `fetch`. */
  fetch?: Fetch;
}

/** One inference to pay for. */
export interface InferOptions {
  /** `name`, `name@version` or, to have all of it fixed, a versionId. */
  model: string;
  /** By the graph's input names; `data` is little-endian bytes, their base64, or a flat array. */
  inputs: Readonly<Record<string, Tensor | TensorJson>>;
}

/** A paid and checked answer. */
export interface Inference {
  taskId: string;
  outputs: NamedTensors;
  /** Checked already; keep it to show to others. */
  receipt: Receipt;
}

/** Pays for inferences and checks what comes back. */
export interface Client {
  /** The models that the gateway offers. @throws OpgError `gateway_unavailable` */
  models(): Promise<ModelListing[]>;
  /**
   * Asks, checks the offer, signs, pays and checks the receipt. The signature is bound to this request, this model, one
   * node and a ceiling; the same signature never pays twice.
   *
   * @throws OpgError `invalid_tensor`, `unknown_model`; `invalid_offer`, `price_above_maximum` before anything is signed;
   * `permit2_allowance_required` and every other code of the gateway; `invalid_receipt` after payment
   */
  infer(options: InferOptions): Promise<Inference>;
  /** The whole story of a task. @throws OpgError `unknown_task` */
  trail(taskId: string): Promise<Trail>;
}

/**
 * Makes a client of one gateway for one payer. Keep it: Permit2 nonces are cheapest when one client gives them out.
 *
 * @throws OpgError `configuration` when an option cannot be used
 */
export function createClient(options: ClientOptions): Client {
  const gateway = readUrl(options.gateway);
  const fetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const payer = { signer: options.signer, address: getAddress(options.signer.address), maxAmount: options.maxAmount };
  const nonces = new NonceAllocator(randomBytes);
  let network = options.network === undefined ? undefined : readNetwork(options.network);

  async function get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    const call = { method: "GET" as const, url: `${gateway}${path}`, timeoutSeconds: READ_TIMEOUT_SECONDS };
    return readAnswer(await callGateway(fetch, call), call.url, schema);
  }

  async function infer({ model, inputs: given }: InferOptions): Promise<Inference> {
    network ??= await get("/network.json", networkJson);
    const listing = await get(`/v1/models/${encodeURIComponent(model)}`, modelListingJson);
    checkListing(listing, model);
    const inputs = readInputs(given);
    const salt = hexlify(randomBytes(SALT_BYTES));
    const inputDigest = tensorsDigest(namesOf(listing.inputs), inputs);
    const request = requestDigest(salt, listing.versionId, inputDigest);
    const asked = { network, model: listing.versionId, inputs, salt, request, nonce: nonces.next() };
    const { answer, authorization } = await payForRequest({ fetch, url: `${gateway}/v1/infer` }, payer, asked);
    const outputs = tensorsFromJson(answer.outputs);
    checkReceipt(answer, outputs, { network, listing, salt, inputs, authorization });
    return { taskId: answer.taskId, outputs, receipt: answer.receipt };
  }

  return {
    models: async () => (await get("/v1/models", modelsJson)).models,
    infer,
    trail: (taskId) => get(`/v1/tasks/${encodeURIComponent(taskId)}`, trailJson),
  };
}

function randomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}

function namesOf(specs: ModelListing["inputs"]): string[] {
  return specs.map(({ name }) => name);
}

function readInputs(given: InferOptions["inputs"]): NamedTensors {
  return Object.fromEntries(
    Object.entries(given).map(([name, tensor]) => [name, isTensor(tensor) ? tensor : tensorFromJson(name, tensor)]),
  );
}

function isTensor(tensor: Tensor | TensorJson): tensor is Tensor {
  return tensor.data instanceof Uint8Array;
}

function readUrl(gateway: string): string {
  if (URL.canParse(gateway)) return gateway.replace(/\/+$/, "");
  throw new OpgError(
    "configuration",
    `"${gateway}" is not a URL; give the gateway's, such as https://gateway.example.`,
    { gateway },
  );
}

function readNetwork(network: z.input<typeof networkJson>): Network {
  const parsed = networkJson.safeParse(network);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new OpgError(
    "configuration",
    `The network given has a wrong "${field}"; give the content of its network.json.`,
    { field },
  );
}
