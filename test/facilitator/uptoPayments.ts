import { id, Signature, type Wallet } from "ethers";
import { allowancePermitToJson, allowancePermitTypedData, GAS_SPONSORING } from "#protocol/gasSponsoring.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { PAYMENT_IDENTIFIER } from "#protocol/paymentIdentifier.ts";
import { proxyAddresses, proxyPayloadToJson, proxyTypedData } from "#protocol/proxyPayment.ts";
import { type Task, taskToJson } from "#protocol/task.ts";
import type { FacilitatorNetwork } from "./facilitatorNetwork.ts";

/** What differs from a plain payment by scheme `upto`. */
export interface UptoChanges {
  identifier?: string;
  /** Signs an EIP-2612 permit along. */
  sponsored?: boolean;
  /** In place of the payer's own. */
  signature?: string;
  /** EIP-2098's 64 bytes in place of 65. */
  compact?: boolean;
}

/** Makes bodies of `POST /tasks` by scheme `upto`, as a gateway sends them for a stock client's payment. */
export function uptoPaymentsOn({ network, opg }: FacilitatorNetwork) {
  const { opg: token, taskEscrow } = network.contracts;
  const entry = network.facilitators[0]?.entry ?? "";
  const chainId = BigInt(network.chainId);

  /** Pays for what `task` says, and proposes it. */
  return async (payer: Wallet, task: Task, changes: UptoChanges = {}) => {
    const deadline = BigInt(task.deadline + network.parameters.settleWindowSeconds);
    const authorization = {
      from: payer.address,
      permitted: { token, amount: task.maxAmount },
      spender: proxyAddresses.upto,
      nonce: task.nonce,
      deadline,
      witness: { to: taskEscrow, facilitator: entry, validAfter: 0n },
    };
    const { domain, types, value } = proxyTypedData("upto", authorization, chainId);
    const own = await payer.signTypedData(domain, types, value);
    const signature = changes.signature ?? (changes.compact ? Signature.from(own).compactSerialized : own);
    const requirements = {
      scheme: "upto",
      network: `eip155:${network.chainId}`,
      amount: task.maxAmount.toString(),
      asset: token,
      payTo: taskEscrow,
      maxTimeoutSeconds: 300,
      extra: { name: "OPG", version: "1", assetTransferMethod: "permit2", facilitatorAddress: entry, salt: id("salt") },
    };
    return {
      x402Version: 2,
      paymentPayload: {
        ...{ x402Version: 2, resource: { url: "http://test/v1/infer" }, accepted: requirements },
        payload: proxyPayloadToJson({ signature, permit2Authorization: authorization }),
        extensions: {
          ...(changes.identifier === undefined ? {} : { [PAYMENT_IDENTIFIER]: { info: { id: changes.identifier } } }),
          ...(changes.sponsored ? { [GAS_SPONSORING]: await permitOf(payer, task.maxAmount, deadline) } : {}),
        },
      },
      paymentRequirements: requirements,
      task: taskToJson(task),
    };
  };

  async function permitOf(payer: Wallet, amount: bigint, deadline: bigint) {
    const unsigned = { from: payer.address, asset: token, amount, nonce: await opg.nonces(payer.address), deadline };
    const { name, version } = await opg.eip712Domain();
    const { domain, types, value } = allowancePermitTypedData(unsigned, { name, version, chainId });
    const signature = await payer.signTypedData(domain, types, value);
    return allowancePermitToJson({ ...unsigned, spender: PERMIT2, signature });
  }
}
