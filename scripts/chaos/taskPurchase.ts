import { setTimeout as sleep } from "node:timers/promises";
import { UptoEvmScheme } from "@x402/evm";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import type { TypedDataField, Wallet } from "ethers";
import { createClient } from "#client/index.ts";
import { inferAnswerJson } from "#protocol/inferAnswer.ts";
import { caip2, type Network } from "#protocol/network.ts";
import { type NamedTensors, tensorsToJson } from "#protocol/tensors.ts";
import type { TaskPlan } from "./drawPlan.ts";
import { within } from "./within.ts";

const ANSWER_SECONDS = 60;
const PATIENCE_SECONDS = 15;
const RETRY_MS = 1_000;

/** A request that somebody pays for, and what came of it. */
export interface TaskPurchase {
  plan: TaskPlan;
  payer: string;
  /** The task that was answered with a receipt. */
  answered?: string;
  /** Why there was no answer. */
  refusal?: string;
}

/** What is bought: a model's answer to an input. */
export interface Asked {
  versionId: string;
  inputs: NamedTensors;
}

/** Buys an inference, by OPG's client or by x402's own. Where something goes wrong it is bought anew, for a while. */
export async function buyTask(network: Network, payer: Wallet, plan: TaskPlan, asked: Asked): Promise<TaskPurchase> {
  const base = { plan, payer: payer.address };
  const lastTry = Date.now() + PATIENCE_SECONDS * 1000;
  const buy = plan.scheme === "task" ? buyNatively : buyByUpto;
  await sleep(plan.startMs);
  for (;;) {
    try {
      return {
        ...base,
        answered: await within(ANSWER_SECONDS, "an answer of the gateway", buy(network, payer, asked)),
      };
    } catch (error) {
      if (Date.now() > lastTry) return { ...base, refusal: (error as Error).message };
      await sleep(RETRY_MS);
    }
  }
}

async function buyNatively(network: Network, payer: Wallet, { versionId, inputs }: Asked): Promise<string> {
  const client = createClient({ gateway: network.gateway, signer: payer, network });
  return (await client.infer({ model: versionId, inputs })).taskId;
}

async function buyByUpto(network: Network, payer: Wallet, { versionId, inputs }: Asked): Promise<string> {
  const signer = {
    address: payer.address as `0x${string}`,
    signTypedData: async ({ domain, types, message }: TypedDocument) => {
      // ethers makes the domain's type by itself.
      const signed = Object.entries(types).filter(([name]) => name !== "EIP712Domain");
      const fields = Object.fromEntries(signed) as Record<string, TypedDataField[]>;
      return (await payer.signTypedData(domain, fields, message)) as `0x${string}`;
    },
  };
  const client = new x402Client()
    .register(caip2(network), new UptoEvmScheme(signer))
    .setSpendControls({ allowedAssets: [{ network: caip2(network), asset: network.contracts.opg }] });
  const response = await wrapFetchWithPayment(fetch, client)(`${network.gateway}/v1/infer`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: versionId, inputs: tensorsToJson(inputs) }),
  });
  const answer: unknown = await response.json();
  if (response.status !== 200) throw new Error(`${response.status}: ${JSON.stringify(answer)}`);
  return inferAnswerJson.parse(answer).taskId;
}

interface TypedDocument {
  domain: Record<string, unknown>;
  types: Record<string, unknown>;
  message: Record<string, unknown>;
}
