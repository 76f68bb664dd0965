import { setTimeout as sleep } from "node:timers/promises";
import { type Signer, Wallet } from "ethers";
import { localAccount } from "#deploy/localAccounts.ts";
import { domainIn } from "#protocol/network.ts";
import { taskTypedData } from "#protocol/prefunded.ts";
import { type Task, taskToJson } from "#protocol/task.ts";
import { voucherTypedData } from "#protocol/voucher.ts";
import { type FacilitatorNetwork, startFacilitatorNetwork } from "#test/facilitator/facilitatorNetwork.ts";

/** Some times as long as a facilitator takes to look for a new block. */
const SEEN_MS = 1_500;
const facilitator = localAccount("facilitator").address;

/** How a call is paid for. */
export interface CallPayment {
  signer?: Wallet;
  /** Signed by whoever signs the call, unless another is named. */
  cap?: bigint;
  voucherSigner?: Wallet;
  /** Of the account. */
  facilitator?: string;
}

/** A chain and a database for a facilitator whose payers have accounts. */
export async function startPrefundedNetwork() {
  const net = await startFacilitatorNetwork();
  return { ...net, ...accountsOn(net) };
}

export type PrefundedNetwork = Awaited<ReturnType<typeof startPrefundedNetwork>>;

function accountsOn({ network, escrow, opg, provider, makePayer }: FacilitatorNetwork) {
  const taskEscrow = domainIn(network, "taskEscrow");
  const deposit = async (payer: string, amount: bigint, at = facilitator): Promise<void> => {
    await (await opg.approve(network.contracts.taskEscrow, amount)).wait();
    await (await escrow.deposit(payer, at, amount)).wait();
  };
  /** Somebody new with so much in an account at the facilitator. */
  const makeAccount = async (amount: bigint): Promise<Wallet> => {
    const payer = await makePayer(0n);
    if (amount > 0n) await deposit(payer.address, amount);
    return payer;
  };
  const as = (signer: Signer) => escrow.connect(signer);
  /** Body of `POST /tasks`. */
  const payFromAccount = async (payer: Wallet, task: Task, payment: CallPayment = {}) => {
    const { signer = payer, cap, voucherSigner = signer } = payment;
    const at = payment.facilitator ?? facilitator;
    const sign = (by: Wallet, typed: ReturnType<typeof taskTypedData> | ReturnType<typeof voucherTypedData>) =>
      by.signTypedData(typed.domain, typed.types, typed.value);
    const requirements = {
      ...{ scheme: "prefunded", network: `eip155:${network.chainId}`, amount: task.maxAmount.toString() },
      ...{ asset: network.contracts.opg, payTo: network.contracts.taskEscrow, maxTimeoutSeconds: 120 },
      extra: { task: taskToJson(task), facilitator },
    };
    const signed = {
      task: taskToJson(task),
      facilitator: at,
      signature: await sign(signer, taskTypedData(task, taskEscrow)),
    };
    const voucher = cap === undefined ? undefined : { payer: task.payer, facilitator: at, cap };
    const payload = voucher
      ? {
          ...signed,
          voucher: {
            cap: voucher.cap.toString(),
            signature: await sign(voucherSigner, voucherTypedData(voucher, taskEscrow)),
          },
        }
      : signed;
    const paymentPayload = { x402Version: 2, accepted: requirements, payload };
    return { x402Version: 2, paymentPayload, paymentRequirements: requirements };
  };
  let passed = 0;
  /** The chain's time and that of {@link clock} go on, and a facilitator has the time to see it. */
  const passSeconds = async (seconds: number): Promise<void> => {
    await provider.send("evm_increaseTime", [seconds]);
    await provider.send("evm_mine", []);
    passed += seconds;
    await sleep(SEEN_MS);
  };
  const clock = (): number => Math.floor(Date.now() / 1000) + passed;
  return { facilitator, deposit, makeAccount, as, payFromAccount, passSeconds, clock };
}
