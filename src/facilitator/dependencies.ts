import type { Wallet } from "ethers";
import type { ActiveAt } from "#chain/activeNodes.ts";
import type { AccountStates } from "#chain/accountStates.ts";
import type { ChainHead } from "#chain/chainHead.ts";
import type { ObservedBlock } from "#chain/blockFacts.ts";
import type { PayerStates } from "#chain/payerStates.ts";
import type { RpcProvider } from "#chain/rpcProvider.ts";
import type { SettlementAdapter } from "#chain/settlement.ts";
import type { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import type { VerifierSetAdapter } from "#chain/verifierSet.ts";
import type { Network } from "#protocol/network.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { Operations } from "#service/operations.ts";
import type { FacilitatorStore } from "#store/facilitatorStore.ts";
import type { SetDependencies } from "./acceptedEpochs.ts";
import type { PaymentTerms } from "./checks/payment.ts";
import type { PaymentSettler } from "./merchant/paymentSettler.ts";
import type { Depths } from "./inclusionWatch.ts";
import type { Outbox } from "./outbox.ts";
import type { CallDigests } from "./prefunded/callDigests.ts";
import type { SignRelease } from "./prefunded/releaseSigner.ts";
import type { TaskCloser } from "./taskCloser.ts";
import type { TaskOpener } from "./taskOpener.ts";

/** What the facilitator's duties work with. */
export interface Dependencies {
  network: Network;
  terms: PaymentTerms;
  provider: RpcProvider;
  /** The newest block, for everybody. */
  head: ChainHead;
  /** What payers can pay, out of memory. */
  payers: PayerStates;
  /** What payers have in their accounts at this facilitator, out of memory. */
  accounts: AccountStates;
  callDigests: CallDigests;
  signRelease: SignRelease;
  /** The verifier set as of the newest block, out of memory. */
  rememberedSet: SetDependencies;
  /** Whether governance has stopped new tasks. */
  entriesPaused: (block: ObservedBlock) => Promise<boolean>;
  /** Whether a node may take new tasks. */
  activeAt: ActiveAt;
  escrow: TaskEscrowAdapter;
  settlement: SettlementAdapter;
  verifierSet: VerifierSetAdapter;
  /** The facilitator itself: signs releases. */
  wallet: Wallet;
  store: FacilitatorStore;
  outbox: Outbox;
  /** How deep a block must be for what it holds to count, and not to be watched any more. */
  depths: Depths;
  /** How long a merchant waits for a block. */
  inclusionWaitSeconds: number;
  operations: Operations;
  clock: Clock;
  logger: Logger;
}

/** The same, with those who open and close tasks. */
export interface ActingDependencies extends Dependencies {
  opener: TaskOpener;
  closer: TaskCloser;
  /** Brings merchants' payments to their end. */
  settler: PaymentSettler;
}
