import { id, Wallet } from "ethers";
import { AccountsAdapter } from "#chain/accounts.ts";
import { BatchesAdapter, type VouchedDebit } from "#chain/batches.ts";
import { type Batch, batchTypedData, creditsDigest, debitsDigest, sharesOf } from "#protocol/batch.ts";
import { voucherDigest } from "#protocol/voucher.ts";
import type { GasChain } from "./gasChain.ts";

/** How many nodes earn, by turns. */
const NODES = 8;
/** Of each call, atomic units; no round number, so that calldata has the zero bytes that it will have. */
const CHARGE = 1_234_567_890_123_457n;

/** A batch's size, and what it cost. */
export interface BatchGas {
  gas: number;
  receipts: number;
  payees: number;
}

/** Prefunded accounts, and batches that charge them. */
export class GasBatches {
  readonly #chain: GasChain;
  readonly #batches: BatchesAdapter;
  /** Ascending by address. */
  readonly #payers: readonly { wallet: Wallet; spent: bigint }[];
  readonly #nodes = Array.from({ length: NODES }, (_, index) => new Wallet(id(`bench node ${index}`)).address);

  private constructor(chain: GasChain, payers: readonly Wallet[]) {
    this.#chain = chain;
    this.#batches = new BatchesAdapter(chain.contracts.settlement, chain.provider);
    this.#payers = payers.map((wallet) => ({ wallet, spent: 0n }));
  }

  /** Funds the accounts, and charges all of them once: what comes after is the steady state. */
  static async open(chain: GasChain, count: number, calls: number): Promise<GasBatches> {
    const { faucet, facilitator } = chain.wallets;
    const accounts = new AccountsAdapter(chain.contracts.taskEscrow, chain.provider);
    const payers = Array.from({ length: count }, (_, index) => new Wallet(id(`bench payer ${index}`)));
    payers.sort((one, other) => (BigInt(one.address) < BigInt(other.address) ? -1 : 1));
    await chain.approve(faucet, accounts.address);
    for (const { address: payer } of payers) {
      const key = { payer, facilitator: facilitator.address };
      await chain.gasOf(faucet, accounts.populateDeposit(key, BigInt(calls + NODES) * CHARGE));
    }
    const batches = new GasBatches(chain, payers);
    await batches.settle(count, NODES);
    return batches;
  }

  /** Settles so many calls of each of the first so many payers. */
  async settle(payers: number, calls: number): Promise<BatchGas> {
    const { wallets, domainOf, certify, gasOf } = this.#chain;
    const facilitator = wallets.facilitator.address;
    const receipts = payers * calls;
    const amount = CHARGE * BigInt(calls);
    const debits = this.#payers.slice(0, payers).map((payer) => this.#debit(payer, amount));
    const charges = Array.from({ length: receipts }, (_, call) => ({
      account: this.#nodes[call % NODES] ?? "",
      amount: CHARGE,
    }));
    const credits = sharesOf(charges);
    const batch: Batch = {
      facilitator,
      previous: await this.#batches.headOf(facilitator),
      // The contract never looks into the tree.
      root: id("root"),
      debits: debitsDigest(debits),
      credits: creditsDigest(receipts, credits),
      epoch: 1n,
    };
    const signatures = await certify(batchTypedData(batch, domainOf("settlement")));
    const call = this.#batches.populateSettleBatch(batch, receipts, debits, credits, signatures);
    return { gas: await gasOf(wallets.facilitator, call), receipts, payees: credits.length };
  }

  #debit(payer: { wallet: Wallet; spent: bigint }, amount: bigint): VouchedDebit {
    const { wallets, domainOf } = this.#chain;
    payer.spent += amount;
    const { address: account, signingKey } = payer.wallet;
    const voucher = { payer: account, facilitator: wallets.facilitator.address, cap: payer.spent };
    const signature = signingKey.sign(voucherDigest(voucher, domainOf("taskEscrow"))).serialized;
    return { account, amount, cap: voucher.cap, signature };
  }
}
