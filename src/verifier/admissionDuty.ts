import type { Block, Wallet } from "ethers";
import { checkEvidence } from "#attestation/checkEvidence.ts";
import type { EvidenceRoots } from "#attestation/evidence.ts";
import { type AdmissionRequest, admissionTypedData, challengeNonce, identityBinding } from "#protocol/admission.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import type { Domain } from "#protocol/typedData.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import type { Challenges } from "./challenges.ts";
import { checkAdmission } from "./checkAdmission.ts";
import type { VerifierContracts } from "./contracts.ts";
import { signDocument } from "#protocol/signedDocument.ts";

/** What the duty goes by. */
export interface AdmissionDutyOptions {
  nodeRegistry: Domain;
  /** Roots that the network's parameters name. */
  roots: EvidenceRoots;
  /** The network's verifiers: a node that would show requests to others is not admitted. */
  verifiers: Network["verifiers"];
}

/** What the duty works with. */
export interface AdmissionDutyDependencies {
  wallet: Wallet;
  contracts: VerifierContracts;
  challenges: Challenges;
  clock: Clock;
  logger: Logger;
}

/** This verifier's part of an admission certificate. */
export interface AdmissionSignature {
  verifier: string;
  epoch: number;
  signature: string;
}

/** Checks the evidence of nodes that want to be admitted, and signs their admission. */
export class AdmissionDuty {
  readonly #options: AdmissionDutyOptions;
  readonly #dependencies: AdmissionDutyDependencies;

  constructor(options: AdmissionDutyOptions, dependencies: AdmissionDutyDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** A challenge that the node's evidence must answer. */
  challenge(node: string): { verifier: string; challenge: string } {
    const { wallet, challenges } = this.#dependencies;
    return { verifier: wallet.address, challenge: challenges.give(node) };
  }

  /**
   * Checks everything and signs. The challenge is used up by the first try, whatever comes of it.
   *
   * @throws OpgError `challenge_unknown`, `evidence_refused` or `invalid_signature`
   */
  async admit(request: AdmissionRequest): Promise<AdmissionSignature> {
    const { wallet, contracts, challenges, clock, logger } = this.#dependencies;
    const { admission, challenges: answered } = request;
    const { node, epoch } = admission;
    const document = Buffer.from(request.evidence, "base64");
    if (!challenges.take(node, answered)) {
      throw new OpgError(
        "challenge_unknown",
        "None of the challenges is an open one of this verifier's; ask for a new one.",
        { node },
      );
    }
    const now = clock();
    const block = await contracts.provider.getBlock(request.blockNumber);
    const facts = await this.#facts(node, block?.timestamp);
    const error = checkAdmission(request, document, facts, this.#options.nodeRegistry, now);
    if (error) throw error;
    await this.#checkStatement(request, document, block, now);
    const signature = await signDocument(wallet, admissionTypedData(admission, this.#options.nodeRegistry));
    logger.info({ node, sequence: admission.sequence, leaseUntil: admission.leaseUntil }, "admission signed");
    return { verifier: wallet.address, epoch: Number(epoch), signature };
  }

  async #facts(node: string, blockTimestamp: number | undefined) {
    const { nodeRegistry, verifierSet } = this.#dependencies.contracts;
    const [{ sequence, status }, currentEpoch, maxLeaseSeconds] = await Promise.all([
      nodeRegistry.node(node),
      verifierSet.currentEpoch(),
      nodeRegistry.maxLeaseSeconds(),
    ]);
    const isFinal = status === "retired" || status === "revoked";
    return { blockTimestamp, lastSequence: sequence, isFinal, currentEpoch, maxLeaseSeconds };
  }

  async #checkStatement(
    request: AdmissionRequest,
    document: Uint8Array,
    block: Block | null,
    now: number,
  ): Promise<void> {
    const { nodeRegistry, roots } = this.#options;
    const verifiers = this.#options.verifiers.map(({ address }) => address);
    const { contracts } = this.#dependencies;
    const { admission, challenges } = request;
    const { measurement } = await checkEvidence(document, {
      nonce: challengeNonce(nodeRegistry, block?.hash ?? "", challenges),
      binding: identityBinding(admission, nodeRegistry, verifiers),
      node: admission.node,
      now,
      roots,
      approvedMeasurement: async (stated) => {
        const { from, until } = await contracts.nodeRegistry.measurementWindow(stated);
        return from <= now && now < until;
      },
    });
    if (measurement === admission.measurement) return;
    const message = "The admission names another measurement than the evidence states.";
    throw new OpgError("evidence_refused", message, { node: admission.node, field: "measurement" });
  }
}
