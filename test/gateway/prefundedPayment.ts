import { encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { taskRequirementsJson } from "#protocol/payment.ts";
import { type PrefundedPayloadJson, taskTypedData } from "#protocol/prefunded.ts";
import { type Task, taskToJson } from "#protocol/task.ts";
import { voucherTypedData } from "#protocol/voucher.ts";
import { sign } from "#test/contracts/fixture.ts";
import type { GatewayFixture } from "./gatewayFixture.ts";

/** A payment of scheme `prefunded` before it is encoded. */
export interface PrefundedPayment extends PaymentPayload {
  payload: PrefundedPayloadJson & Record<string, unknown>;
}

/** Signs the entry for accounts as the fixture's payer; `change` alters the signed task, `alter` what is sent with it. */
export async function payPrefunded(
  { wallets, network, domainOf }: GatewayFixture,
  required: PaymentRequired,
  {
    change = {},
    alter = () => undefined,
  }: { change?: Partial<Task>; alter?: (payment: PrefundedPayment) => void } = {},
): Promise<string> {
  const accepted = structuredClone(required.accepts.find(({ scheme }) => scheme === "prefunded"));
  const [facilitator] = network.facilitators;
  if (!accepted || !facilitator) throw new Error("an offer has an entry for accounts");
  const task = { ...taskRequirementsJson.parse(accepted).extra.task, ...change };
  const taskEscrow = domainOf("taskEscrow");
  const voucher = { payer: wallets.payer.address, facilitator: facilitator.address, cap: 10n ** 18n };
  const payment: PrefundedPayment = {
    x402Version: 2,
    accepted,
    payload: {
      task: taskToJson(task),
      signature: await sign(wallets.payer, taskTypedData(task, taskEscrow)),
      facilitator: facilitator.address,
      voucher: {
        cap: "1000000000000000000",
        signature: await sign(wallets.payer, voucherTypedData(voucher, taskEscrow)),
      },
    },
  };
  alter(payment);
  return encodePaymentSignatureHeader(payment);
}
