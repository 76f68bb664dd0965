import type { Wallet } from "ethers";
import { submitCall } from "#chain/submitCall.ts";
import { countsSignatureJson } from "#protocol/messages.ts";
import type { Network } from "#protocol/network.ts";
import { joinSignatures } from "#protocol/verdict.ts";
import type { Clock } from "#service/clock.ts";
import { httpCall } from "#service/httpCall.ts";
import type { Logger } from "#service/logger.ts";
import type { EpochCounts } from "#store/verifierStore.ts";
import type { VerifierContracts } from "./contracts.ts";
import type { CountsDuty } from "./countsDuty.ts";
import type { EndedEpoch, EndedEpochs } from "./endedEpochs.ts";

/** How long one member has to divide the pool before it is the next one's turn. */
export const TURN_SECONDS = 60;
const ANSWER_TIMEOUT_SECONDS = 15;

/** What the duty works with. */
export interface ClosingDutyDependencies {
  wallet: Wallet;
  verifiers: Network["verifiers"];
  contracts: VerifierContracts;
  endedEpochs: EndedEpochs;
  counts: CountsDuty;
  clock: Clock;
  logger: Logger;
}

/** Has the pools of past epochs divided: members take turns to propose counts, gather signatures and pay the gas. */
export class ClosingDuty {
  readonly #dependencies: ClosingDutyDependencies;
  /** Every epoch before this one has nothing left to divide. */
  #firstOpen = 1n;

  constructor(dependencies: ClosingDutyDependencies) {
    this.#dependencies = dependencies;
  }

  /** Closes every epoch that is over, holds money, and is this verifier's turn. */
  async closeDue(): Promise<void> {
    const { contracts, endedEpochs } = this.#dependencies;
    const current = await contracts.verifierSet.currentEpoch();
    for (let epoch = this.#firstOpen; epoch < current; epoch++) {
      const ended = await endedEpochs.get(epoch);
      if (!ended) return;
      const { settledTasks } = await contracts.settlement.poolOf(epoch);
      if (settledTasks > 0n) {
        if (this.#isOurTurn(ended)) await this.#close(ended);
      } else if (epoch === this.#firstOpen) {
        this.#firstOpen = epoch + 1n;
      }
    }
  }

  #isOurTurn({ epoch, members, closableAt }: EndedEpoch): boolean {
    const { wallet, clock } = this.#dependencies;
    const turn = Math.max(0, Math.floor((clock() - closableAt) / TURN_SECONDS));
    return members[(Number(epoch) + turn) % members.length] === wallet.address;
  }

  async #close(ended: EndedEpoch): Promise<void> {
    const { wallet, contracts, counts, logger } = this.#dependencies;
    const { epoch, members, threshold } = ended;
    const proposal = await counts.propose(ended);
    const others = members.filter((member) => member !== wallet.address);
    const answers = await Promise.all(others.map((member) => this.#ask(member, proposal)));
    const signatures = answers.filter((answer) => answer !== undefined);
    if (signatures.length + 1 < threshold) {
      logger.warn(
        { epoch: epoch.toString(), signatures: signatures.length, threshold },
        "too few agree with the counts",
      );
      return;
    }
    // Last, so that this verifier stays free to sign another's proposal while its own finds no majority.
    signatures.push({ signer: wallet.address, signature: await counts.sign(proposal) });
    const call = contracts.settlement.populateCloseEpoch(
      epoch,
      proposal.verifiers,
      proposal.counts.map(BigInt),
      joinSignatures(signatures),
    );
    const { hash } = await submitCall(wallet.connect(contracts.provider), call);
    logger.info({ epoch: epoch.toString(), transaction: hash }, "epoch closed");
  }

  async #ask(member: string, proposal: EpochCounts): Promise<{ signer: string; signature: string } | undefined> {
    const { verifiers, counts, logger } = this.#dependencies;
    const { epoch } = proposal;
    const url = verifiers.find(({ address }) => address === member)?.url;
    if (url === undefined) return undefined;
    try {
      const { signature } = await httpCall({
        method: "POST",
        url: `${url}/epochs/${epoch}/counts`,
        body: { verifiers: proposal.verifiers, counts: proposal.counts },
        answer: countsSignatureJson,
        timeoutSeconds: ANSWER_TIMEOUT_SECONDS,
        unavailable: "verifier_unavailable",
      });
      return counts.isSigned(proposal, member, signature) ? { signer: member, signature } : undefined;
    } catch (error) {
      logger.warn({ epoch: epoch.toString(), verifier: member, err: error }, "a verifier does not sign the counts");
      return undefined;
    }
  }
}
