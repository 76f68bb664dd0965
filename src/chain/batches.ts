import { type BlockTag, type Provider, Signature } from "ethers";
import { type Batch, type Share, shareWord } from "#protocol/batch.ts";
import type { Split } from "#protocol/settlement.ts";
import { type ISettlement, ISettlement__factory } from "#typechain/index.ts";
import { type BlockRange, type LogPlace, placeOf, searchBlocks } from "./blockRange.ts";
import type { Call } from "./call.ts";

/** What a batch takes from one payer, and the voucher that allows it; amounts in atomic units. */
export interface VouchedDebit extends Share {
  cap: bigint;
  /** The authorizer's over the voucher, 64 or 65 bytes. */
  signature: string;
}

/** A batch that was paid; amounts in atomic units. */
export interface SettledBatch extends LogPlace {
  batchId: string;
  facilitator: string;
  epoch: bigint;
  root: string;
  receipts: bigint;
  nodeAmount: bigint;
  verifierAmount: bigint;
  treasuryAmount: bigint;
}

/** What a batch divided among nodes, verifiers and treasury. */
export function divisionOf({ nodeAmount, verifierAmount, treasuryAmount }: SettledBatch): Split {
  return { node: nodeAmount, verifiers: verifierAmount, treasury: treasuryAmount };
}

/** What a batch paid one payee; amounts in atomic units. */
export interface PayeeCredit extends LogPlace {
  batchId: string;
  payee: string;
  /** Of all charges for the payee, before the shares of verifiers and treasury. */
  charge: bigint;
  nodeAmount: bigint;
}

/** Settlement's batches. */
export class BatchesAdapter {
  readonly address: string;
  readonly #provider: Provider;
  readonly #contract: ISettlement;

  /** @param address - Settlement's */
  constructor(address: string, provider: Provider) {
    this.address = address;
    this.#provider = provider;
    this.#contract = ISettlement__factory.connect(address, provider);
  }

  /** Id of a facilitator's last batch, which its next one must name; 32 zero bytes before its first. */
  headOf(facilitator: string, blockTag: BlockTag = "latest"): Promise<string> {
    return this.#contract.heads(facilitator, { blockTag });
  }

  /**
   * Pays a batch under a certificate of `batch.epoch`; only the facilitator or a signer of its entry may send it.
   *
   * @param debits - payers ascending
   * @param credits - payees ascending
   * @param signatures - see `joinSignatures`
   * @throws Error when a voucher's signature has neither 64 nor 65 bytes
   */
  populateSettleBatch(
    batch: Batch,
    receipts: number,
    debits: readonly VouchedDebit[],
    credits: readonly Share[],
    signatures: string,
  ): Call {
    const vouched = debits.map(({ cap, signature, ...share }) => {
      const { r, yParityAndS } = Signature.from(signature);
      return { share: shareWord(share), cap, r, vs: yParityAndS };
    });
    const paid = credits.map(shareWord);
    const { interface: abi } = this.#contract;
    return {
      to: this.address,
      data: abi.encodeFunctionData("settleBatch", [batch, receipts, vouched, paid, signatures]),
    };
  }

  /** A batch that was paid, or nothing where it was not. */
  async settledBatch(batchId: string, range: BlockRange): Promise<SettledBatch | undefined> {
    const { BatchSettled } = this.#contract.filters;
    const [found] = await this.#settled(BatchSettled(batchId), range);
    return found;
  }

  /** A facilitator's batches, or everybody's, oldest first. */
  settledBatches(range: BlockRange, facilitator?: string): Promise<SettledBatch[]> {
    const { BatchSettled } = this.#contract.filters;
    return this.#settled(BatchSettled(undefined, facilitator), range);
  }

  /** What batches paid a payee, oldest first. */
  creditsOf(payee: string, range: BlockRange): Promise<PayeeCredit[]> {
    return this.#credits(this.#contract.filters.PayeeCredited(undefined, payee), range);
  }

  /** Whom a batch paid. */
  creditsIn(batchId: string, range: BlockRange): Promise<PayeeCredit[]> {
    return this.#credits(this.#contract.filters.PayeeCredited(batchId), range);
  }

  #settled(filter: ReturnType<ISettlement["filters"]["BatchSettled"]>, range: BlockRange): Promise<SettledBatch[]> {
    return searchBlocks(this.#provider, range, async (from, to) => {
      const logs = await this.#contract.queryFilter(filter, from, to);
      return logs.map((log): SettledBatch => {
        const { batchId, facilitator, epoch, root, receipts, nodeAmount, verifierAmount, treasuryAmount } = log.args;
        const amounts = { nodeAmount, verifierAmount, treasuryAmount };
        return { batchId, facilitator, epoch, root, receipts, ...amounts, ...placeOf(log) };
      });
    });
  }

  #credits(filter: ReturnType<ISettlement["filters"]["PayeeCredited"]>, range: BlockRange): Promise<PayeeCredit[]> {
    return searchBlocks(this.#provider, range, async (from, to) => {
      const logs = await this.#contract.queryFilter(filter, from, to);
      return logs.map((log): PayeeCredit => {
        const { batchId, payee, charge, nodeAmount } = log.args;
        return { batchId, payee, charge, nodeAmount, ...placeOf(log) };
      });
    });
  }
}
