import { z } from "zod";
import { type ModelListing, modelListingJson } from "../protocol/model.ts";
import { type Network, networkJson } from "../protocol/network.ts";
import { type Trail, trailJson } from "../protocol/settlement.ts";
import { callGateway, readAnswer } from "./callGateway.ts";
import type { Fetch } from "./fetch.ts";
import { type ToldNode, toldNodeJson } from "./sealingKey.ts";

const READ_TIMEOUT_SECONDS = 30;

const modelsJson = z.strictObject({ models: z.array(modelListingJson) });

/** What a gateway tells anybody who asks. Each throws OpgError `gateway_unavailable` or what the gateway itself says. */
export class GatewayPages {
  readonly #fetch: Fetch;
  readonly #gateway: string;

  constructor(fetch: Fetch, gateway: string) {
    this.#fetch = fetch;
    this.#gateway = gateway;
  }

  /** Where inferences are paid for. */
  get inferUrl(): string {
    return `${this.#gateway}/v1/infer`;
  }

  network(): Promise<Network> {
    return this.#get("/network.json", networkJson);
  }

  async models(): Promise<ModelListing[]> {
    return (await this.#get("/v1/models", modelsJson)).models;
  }

  model(name: string): Promise<ModelListing> {
    return this.#get(`/v1/models/${encodeURIComponent(name)}`, modelListingJson);
  }

  node(address: string): Promise<ToldNode> {
    return this.#get(`/v1/nodes/${address}`, toldNodeJson);
  }

  trail(taskId: string): Promise<Trail> {
    return this.#get(`/v1/tasks/${encodeURIComponent(taskId)}`, trailJson);
  }

  async #get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    const call = { method: "GET" as const, url: `${this.#gateway}${path}`, timeoutSeconds: READ_TIMEOUT_SECONDS };
    return readAnswer(await callGateway(this.#fetch, call), call.url, schema);
  }
}
