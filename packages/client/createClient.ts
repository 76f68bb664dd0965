import { getAddress } from "ethers";
import type { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import type { Receipt } from "../protocol/inferAnswer.ts";
import type { ModelListing } from "../protocol/model.ts";
import { type Network, networkJson } from "../protocol/network.ts";
import type { Trail } from "../protocol/settlement.ts";
import type { NamedTensors, Tensor, TensorJson } from "../protocol/tensors.ts";
import type { Account } from "./account.ts";
import { acceptedMeasurements } from "./acceptedMeasurements.ts";
import { accountOf } from "./accountOf.ts";
import type { AdmittedNode } from "./admittedNode.ts";
import { chainCalls } from "./chainCalls.ts";
import { ChainReader } from "./chainReader.ts";
import type { ClientOptions } from "./clientOptions.ts";
import type { Fetch, PayingInit } from "./fetch.ts";
import { buyInference, endAt, type WantedInference } from "./buyInference.ts";
import { finalCharge } from "./finalCharge.ts";
import { GatewayPages } from "./gatewayPages.ts";
import { learnSettlements } from "./laterSettlement.ts";
import { memoryState } from "./memoryState.ts";
import { NonceAllocator } from "./nonceAllocator.ts";
import type { OnChainFacts } from "./onChainFacts.ts";
import { openAccount, openPayer, type Wallet } from "./openPayer.ts";
import type { Means } from "./payForRequest.ts";
import type { Payer } from "./payer.ts";
import { PayingFetch } from "./payingFetch.ts";
import type { PaymentReceipt } from "./paymentReceipt.ts";
import { streamInference } from "./streamInference.ts";

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
  /** Of how many steps the outputs are, of a model that answers step by step. */
  steps?: number;
  /** Checked already; keep it to show to others. */
  receipt: Receipt;
}

/** Some steps of an inference, or at its end all of it. */
export type InferenceEvent =
  | {
      type: "step";
      /** For its trail, should the stream be left. */
      taskId: string;
      /** How many there are so far. */
      steps: number;
      /** Of the steps since the last event; their leading dimension says how many. Signed for by the node's enclave. */
      outputs: NamedTensors;
    }
  | ({ type: "answer" } & Inference);

/** Pays for inferences and other calls, and checks what comes back. */
export interface Client {
  /** The prefunded account that the option `account` names; without it the signer's own, at the network's first facilitator. */
  account: Account;
  /** The models that the gateway offers. @throws OpgError `gateway_unavailable` */
  models(): Promise<ModelListing[]>;
  /**
   * Asks, checks the offer, signs, pays and checks the receipt. The signature is bound to this request, this model, one
   * node and a ceiling; the same signature never pays twice.
   *
   * @throws IncompleteAnswerError `answer_incomplete` with the steps that there are, where they are fewer than were asked for
   * @throws OpgError `invalid_tensor`, `unknown_model`; `invalid_offer`, `node_refused`, `price_above_maximum`,
   * `spending_limit_reached` before anything is signed; `permit2_allowance_required` and every other code of the gateway; `invalid_receipt` after
   * payment
   */
  infer(options: InferOptions): Promise<Inference>;
  /**
   * Pays like {@link Client.infer} and gives the steps of a model that answers step by step as they come; at the end, or
   * at once where the model does not, the checked answer. Who stops reading hangs up and is charged for the steps that
   * were handed out by then; until the trail says how much that is, the ceiling counts as spent.
   *
   * @param options - `signal` hangs up, too
   * @throws OpgError as {@link Client.infer}; the reason of `signal`
   */
  inferStream(options: InferOptions & { signal?: AbortSignal }): AsyncGenerator<InferenceEvent, void>;
  /**
   * Calls any address like `fetch`, and pays where x402 asks for it: the cheapest entry of the offer in a token that may
   * be spent, within the limits. One payment per call at most; what comes back is not checked, see {@link Client.infer}.
   *
   * @throws OpgError `invalid_offer`, `unpayable_offer`, `asset_not_allowed`, `price_above_maximum`,
   * `spending_limit_reached` before anything is signed; `permit2_allowance_required`, `permit2_insufficient_balance`,
   * `payment_refused` and other codes of servers; `payment_unanswered`. Whatever `fetch` itself throws before payment.
   */
  fetch(input: string | URL | Request, init?: PayingInit): Promise<Response>;
  /** What was paid, oldest first, with the receipts of inferences; asks how streams were settled that had to end before. */
  receipts(): Promise<PaymentReceipt[]>;
  /**
   * Holds the receipt of an inference against the contracts.
   *
   * @throws OpgError `invalid_receipt` naming the part; `chain_unavailable`; `configuration` without `rpcUrl`
   */
  checkOnChain(receipt: Receipt): Promise<OnChainFacts>;
  /**
   * What the registry says of an active node, held to what it said before; {@link Client.infer} checks the same of the node
   * that it signs for.
   *
   * @throws OpgError `node_refused`; `chain_unavailable`; `configuration` without `rpcUrl`
   */
  node(address: string): Promise<AdmittedNode>;
  /**
   * The key configuration (RFC 9458) to seal a request to a node with, as its enclave was admitted with it. No route
   * takes sealed requests from clients yet.
   *
   * @param hpkeConfig - as the node itself said it, hex; the gateway is asked where it is left out
   * @throws OpgError as {@link Client.node}; `node_unavailable` where nobody tells a key
   */
  sealingKey(address: string, hpkeConfig?: string): Promise<Uint8Array>;
  /** The whole story of a task. @throws OpgError `unknown_task` */
  trail(taskId: string): Promise<Trail>;
}

/**
 * Makes a client of one gateway for one payer.
 *
 * @throws OpgError `configuration` when an option cannot be used
 */
export function createClient(options: ClientOptions): Client {
  const gateway = readUrl("gateway", options.gateway).replace(/\/+$/, "");
  const fetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const given = options.network === undefined ? undefined : readNetwork(options.network);
  const pages = new GatewayPages(fetch, gateway);
  const wallet = openWallet(options, { fetch, trailOf: (taskId) => pages.trail(taskId) }, given);
  let payer = given && openPayer(wallet, given, options);
  const onNetwork = async (): Promise<Payer> => (payer ??= openPayer(wallet, await pages.network(), options));
  const account = accountOf(async () => {
    const open = await onNetwork();
    return { payer: open, prefunded: open.prefunded ?? openAccount(wallet, open.network, options) };
  });
  const paying = new PayingFetch(fetch, onNetwork);
  const wantedOf = async ({ model, inputs }: InferOptions): Promise<WantedInference> => {
    return { url: pages.inferUrl, listing: await pages.model(model), model, inputs };
  };
  /** Streams that were broken off, by task: what they cost is not known yet. */
  const brokenOff = new Map<string, Means>();

  return {
    account,
    models: () => pages.models(),
    infer: async (wanted) => buyInference(await onNetwork(), await wantedOf(wanted)),
    inferStream: async function* (wanted) {
      yield* streamInference(await onNetwork(), await wantedOf(wanted), { signal: wanted.signal, brokenOff });
    },
    fetch: (input, init = {}) => paying.call(input, init),
    receipts: () => learnSettlements(wallet.state, fetch, wallet.clock()).then(() => wallet.state.receipts()),
    ...chainCalls(onNetwork, pages),
    trail: async (taskId) => {
      const trail = await pages.trail(taskId);
      const charge = finalCharge(trail);
      const means = brokenOff.get(taskId);
      if (charge !== undefined && means) await endAt(means, charge);
      if (charge !== undefined) brokenOff.delete(taskId);
      return trail;
    },
  };
}

function openWallet(
  options: ClientOptions,
  { fetch, trailOf }: Pick<Wallet, "fetch" | "trailOf">,
  network: Network | undefined,
): Wallet {
  const { signer, allowance, state = memoryState(), rpcUrl = network?.rpcUrl } = options;
  const { clock = systemClock, randomBytes = systemRandomBytes } = options;
  const chain = rpcUrl === undefined ? undefined : new ChainReader(fetch, readUrl("rpcUrl", rpcUrl));
  const nonces = new NonceAllocator(state, randomBytes);
  const address = getAddress(signer.address);
  const measurements = acceptedMeasurements(options);
  return { signer, address, allowance, state, nonces, chain, fetch, clock, randomBytes, measurements, trailOf };
}

function systemClock(): number {
  return Math.floor(Date.now() / 1000);
}

function systemRandomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}

function readUrl(option: "gateway" | "rpcUrl", url: string): string {
  if (URL.canParse(url)) return url;
  throw new OpgError("configuration", `${option} "${url}" is not a URL; give one such as https://host.example.`, {
    url,
  });
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
