import { id, parseEther, ZeroAddress } from "ethers";
import { type CapturedPayment, SettlementAdapter } from "#chain/settlement.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { populateProxySettle } from "#chain/x402Proxy.ts";
import { authorizationOf, paymentTypedData } from "#protocol/payment.ts";
import { proxyAddresses, type ProxyAuthorization, type ProxyScheme, proxyTypedData } from "#protocol/proxyPayment.ts";
import { type Result, resultHashOf, resultTypedData } from "#protocol/result.ts";
import { policies, type Task, taskIdOf } from "#protocol/task.ts";
import { verdictTypedData } from "#protocol/verdict.ts";
import { type GasChain, sign } from "./gasChain.ts";

/** What the payer signs for a task: the task itself, or x402's `upto`. */
export type Way = "witness" | "upto";

const MAX_AMOUNT = parseEther("1");
const LIFETIME_SECONDS = 300;
/** A word of Permit2 nonces that our client would allocate from, and one for stock payments. */
const words = { task: wordOf("nonces of tasks"), payment: wordOf("nonces of payments") };

/** Tasks one by one, and x402's payments without us, each by a transaction of its own. */
export class GasTasks {
  readonly #chain: GasChain;
  readonly #escrow: TaskEscrowAdapter;
  readonly #settlement: SettlementAdapter;
  #made = 0n;

  constructor(chain: GasChain) {
    const { contracts, provider } = chain;
    this.#chain = chain;
    this.#escrow = new TaskEscrowAdapter(contracts.taskEscrow, provider);
    this.#settlement = new SettlementAdapter(contracts.settlement, provider);
  }

  /** Locks a task's ceiling. */
  async open(way: Way): Promise<{ task: Task; gas: number }> {
    const task = await this.#task();
    const { facilitator } = this.#chain.wallets;
    const { validAfter, signature } = await this.#payment(task, way);
    const call =
      way === "witness"
        ? this.#escrow.populateOpen(task, signature)
        : this.#escrow.populateOpenUpto(task, facilitator.address, validAfter, signature);
    return { task, gas: await this.#chain.gasOf(facilitator, call) };
  }

  /** Pays for a task that is open. */
  async settle(task: Task, amount: bigint): Promise<number> {
    const { result, nodeSignature, certificate } = await this.#certified(task, amount);
    const call = this.#settlement.populateSettle(task, result, nodeSignature, certificate);
    return this.#chain.gasOf(this.#chain.wallets.facilitator, call);
  }

  /** Pays for a task that was never opened. */
  async capture(way: Way, amount: bigint): Promise<number> {
    const task = await this.#task();
    const { result, nodeSignature, certificate } = await this.#certified(task, amount);
    const payment = await this.#payment(task, way);
    const call = this.#settlement.populateCapture(task, result, nodeSignature, certificate, payment);
    return this.#chain.gasOf(this.#chain.wallets.facilitator, call);
  }

  /** A stock payment to a merchant, by x402's proxy alone. */
  async pay(scheme: ProxyScheme, nonces: "within a word" | "random"): Promise<number> {
    const { wallets, contracts, chainId } = this.#chain;
    const { payer, facilitator, operator } = wallets;
    const ordinal = this.#made++;
    const authorization: ProxyAuthorization = {
      from: payer.address,
      permitted: { token: contracts.opg, amount: MAX_AMOUNT },
      spender: proxyAddresses[scheme],
      nonce: nonces === "random" ? BigInt(id(`random nonce ${ordinal}`)) : words.payment + ordinal,
      deadline: BigInt((await this.#chain.now()) + LIFETIME_SECONDS),
      witness: {
        to: operator.address,
        ...(scheme === "upto" ? { facilitator: facilitator.address } : {}),
        validAfter: 0n,
      },
    };
    const signature = await sign(payer, proxyTypedData(scheme, authorization, BigInt(chainId)));
    const payload = { signature, permit2Authorization: authorization };
    return this.#chain.gasOf(facilitator, populateProxySettle(scheme, payload, MAX_AMOUNT));
  }

  async #task(): Promise<Task> {
    const { wallets, now } = this.#chain;
    return {
      ...{ payer: wallets.payer.address, node: wallets.node.address, model: id("version"), request: id("request") },
      ...{ policy: policies.reExecution, maxAmount: MAX_AMOUNT, deadline: (await now()) + LIFETIME_SECONDS },
      nonce: words.task + this.#made++,
    };
  }

  async #payment(task: Task, way: Way): Promise<CapturedPayment> {
    const { wallets, contracts, entry, parameters } = this.#chain;
    const chainId = BigInt(this.#chain.chainId);
    const { settleWindowSeconds } = parameters;
    const { taskEscrow, opg: token } = contracts;
    const own = authorizationOf(task, { token, taskEscrow, settleWindowSeconds });
    if (way === "witness") {
      const signature = await sign(wallets.payer, paymentTypedData(own, chainId));
      return { facilitator: ZeroAddress, validAfter: 0n, signature };
    }
    const witness = { to: taskEscrow, facilitator: entry, validAfter: 0n };
    const stock: ProxyAuthorization = { ...own, spender: proxyAddresses.upto, witness };
    const signature = await sign(wallets.payer, proxyTypedData("upto", stock, chainId));
    return { facilitator: wallets.facilitator.address, validAfter: 0n, signature };
  }

  async #certified(task: Task, amount: bigint) {
    const { wallets, domainOf, now, certify } = this.#chain;
    const result: Result = {
      taskId: taskIdOf(task, domainOf("taskEscrow")),
      ...{ response: id("response"), payout: wallets.operator.address, amount, completedAt: await now() },
    };
    const settlement = domainOf("settlement");
    const verdict = { resultHash: resultHashOf(result, settlement), epoch: 1n, mode: task.policy, agrees: true };
    const signatures = await certify(verdictTypedData(verdict, settlement));
    const nodeSignature = await sign(wallets.node, resultTypedData(result, settlement));
    return { result, nodeSignature, certificate: { epoch: verdict.epoch, mode: verdict.mode, signatures } };
  }
}

/** Charges: all that was locked, or half of it. */
export const charges = { ceiling: MAX_AMOUNT, half: MAX_AMOUNT / 2n };

function wordOf(name: string): bigint {
  return BigInt(id(name)) & ~0xffn;
}
