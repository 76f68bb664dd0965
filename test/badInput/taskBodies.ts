import { decodePaymentSignatureHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { hexlify, randomBytes, toBigInt, type Wallet } from "ethers";
import { localAccount } from "#deploy/localAccounts.ts";
import { caip2, type Network } from "#protocol/network.ts";
import { authorizationOf, authorizationToJson, paymentTypedData } from "#protocol/payment.ts";
import { proxyPayloadJson } from "#protocol/proxyPayment.ts";
import { type Task, taskToJson } from "#protocol/task.ts";
import { stockClient } from "#test/integration/stockClient.ts";

const TASK_SECONDS = 500;

/** The node of all these tasks; it needs to be admitted. */
export const bodiesNode = localAccount("operator1");

/** Body of the facilitator's `POST /tasks`. */
interface TaskBody {
  x402Version: number;
  paymentPayload: PaymentPayload;
  paymentRequirements: PaymentRequirements;
  task?: unknown;
}

const newTask = (payer: string, maxAmount: bigint, deadline: number, nonce: bigint): Task => ({
  ...{ payer, maxAmount, deadline, nonce, policy: 0 },
  node: bodiesNode.address,
  model: hexlify(randomBytes(32)),
  request: hexlify(randomBytes(32)),
});

/** A good payment by `upto` and the task that a gateway would propose for it. */
export async function uptoBody(network: Network, payer: Wallet, amount: bigint): Promise<TaskBody> {
  const { settleWindowSeconds } = network.parameters;
  const requirements = {
    ...requirementsOf(network, "upto", amount),
    maxTimeoutSeconds: TASK_SECONDS + settleWindowSeconds,
    extra: { facilitatorAddress: network.facilitators[0]?.entry, name: "OPG", version: "1" },
  };
  const created = await stockClient(network, payer).createPaymentPayload({
    x402Version: 2,
    resource: { url: "http://gateway.test/v1/infer", description: "something", mimeType: "application/json" },
    accepts: [requirements],
  });
  // As it would travel: without what is undefined.
  const paymentPayload = decodePaymentSignatureHeader(encodePaymentSignatureHeader(created));
  const { deadline, nonce } = proxyPayloadJson.upto.parse(paymentPayload.payload).permit2Authorization;
  const task = newTask(payer.address, amount, Number(deadline) - settleWindowSeconds, nonce);
  return { x402Version: 2, paymentPayload, paymentRequirements: requirements, task: taskToJson(task) };
}

/** A good payment by `task`. */
export async function taskBody(network: Network, payer: Wallet, amount: bigint): Promise<TaskBody> {
  const { contracts, parameters, chainId } = network;
  const { settleWindowSeconds } = parameters;
  const deadline = Math.floor(Date.now() / 1000) + TASK_SECONDS;
  const task = newTask(payer.address, amount, deadline, toBigInt(randomBytes(32)));
  const terms = { token: contracts.opg, taskEscrow: contracts.taskEscrow, settleWindowSeconds };
  const authorization = authorizationOf(task, terms);
  const { domain, types, value } = paymentTypedData(authorization, BigInt(chainId));
  const signature = await payer.signTypedData(domain, types, value);
  const requirements = {
    ...requirementsOf(network, "task", amount),
    maxTimeoutSeconds: TASK_SECONDS,
    extra: { task: taskToJson(task), facilitator: localAccount("facilitator").address, settleWindowSeconds },
  };
  const payload = { signature, permit2Authorization: authorizationToJson(authorization) };
  return {
    x402Version: 2,
    paymentPayload: { x402Version: 2, accepted: requirements, payload },
    paymentRequirements: requirements,
  };
}

function requirementsOf(network: Network, scheme: string, amount: bigint) {
  const { opg, taskEscrow } = network.contracts;
  return { scheme, network: caip2(network), amount: amount.toString(), asset: opg, payTo: taskEscrow };
}
