import { encodeBase64, type Provider, type Wallet } from "ethers";
import type { Call } from "#chain/call.ts";
import type { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import type { CurrentVerifiers, VerifierSetAdapter } from "#chain/verifierSet.ts";
import { type AdmissionRequestJson, challengeNonce } from "#protocol/admission.ts";
import { OpgError } from "#protocol/errors.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { joinSignatures } from "#protocol/verdict.ts";
import type { Clock } from "#service/clock.ts";
import type { Logger } from "#service/logger.ts";
import { requestChallenges, requestSignatures } from "./admissionCalls.ts";
import type { AttestedAdmission, Enclave } from "./enclave/enclave.ts";

const FIRST_RETRY_SECONDS = 1;
const LONGEST_RETRY_SECONDS = 30;
/** A transaction that no block has by then may have been dropped. */
const INCLUSION_SECONDS = 120;

/** What the duty works with. */
export interface AdmissionDutyDependencies {
  network: Network;
  enclave: Pick<Enclave, "identity" | "attestAdmission">;
  /** Pays for the admission, and may announce the node's URL. */
  operator: Wallet;
  provider: Provider;
  nodeRegistry: NodeRegistryAdapter;
  verifierSet: VerifierSetAdapter;
  /** Where the node is reached. */
  url: string;
  clock: Clock;
  logger: Logger;
}

/** Has the node admitted, says where it is reached, and renews its lease before it ends. */
export class AdmissionDuty {
  readonly #dependencies: AdmissionDutyDependencies;
  #retrySeconds = FIRST_RETRY_SECONDS;
  #leaseUntil = 0;

  constructor(dependencies: AdmissionDutyDependencies) {
    this.#dependencies = dependencies;
  }

  /** Until then the node was admitted when the duty last looked, in seconds since 1970; 0 for one never admitted. */
  get leaseUntil(): number {
    return this.#leaseUntil;
  }

  /** Does what is due. @returns seconds until something may be due again */
  async step(): Promise<number> {
    const { logger } = this.#dependencies;
    try {
      const seconds = await this.#renew();
      this.#retrySeconds = FIRST_RETRY_SECONDS;
      return seconds;
    } catch (error) {
      const retrySeconds = this.#retrySeconds;
      logger.warn({ err: error, retrySeconds }, "not admitted yet");
      this.#retrySeconds = Math.min(retrySeconds * 2, LONGEST_RETRY_SECONDS);
      return retrySeconds;
    }
  }

  /** Renews when less than half of a full lease is left. */
  async #renew(): Promise<number> {
    const { enclave, nodeRegistry, clock, logger } = this.#dependencies;
    const { node } = enclave.identity;
    const [registered, maxLeaseSeconds] = await Promise.all([nodeRegistry.node(node), nodeRegistry.maxLeaseSeconds()]);
    const marginSeconds = maxLeaseSeconds / 2;
    this.#leaseUntil = registered.leaseUntil;
    if (registered.leaseUntil - clock() > marginSeconds) {
      await this.#announce(node);
      return registered.leaseUntil - clock() - marginSeconds;
    }
    const leaseUntil = await this.#admit(registered.sequence + 1, maxLeaseSeconds);
    this.#leaseUntil = leaseUntil;
    logger.info({ node, leaseUntil, sequence: registered.sequence + 1 }, "admitted");
    await this.#announce(node);
    return Math.max(FIRST_RETRY_SECONDS, leaseUntil - clock() - marginSeconds);
  }

  async #admit(sequence: number, maxLeaseSeconds: number): Promise<number> {
    const { network, enclave, provider, nodeRegistry, verifierSet, logger } = this.#dependencies;
    const domain = domainIn(network, "nodeRegistry");
    const set = await verifierSet.current();
    const verifiers = network.verifiers.filter(({ address }) => set.members.includes(address));
    const challenged = requireQuorum(
      await requestChallenges(verifiers, enclave.identity.node, logger),
      set,
      "challenged",
    );
    const block = await provider.getBlock("latest");
    if (!block?.hash) throw new OpgError("chain_unavailable", "The chain shows no block; try again in a moment.");
    const challenges = challenged.map(({ challenge }) => challenge);
    const attested = await enclave.attestAdmission({
      nonce: challengeNonce(domain, block.hash, challenges),
      leaseUntil: block.timestamp + maxLeaseSeconds,
      sequence,
      epoch: set.epoch,
    });
    const body = bodyOf(attested, block.number, challenges);
    const asked = challenged.map(({ verifier }) => verifier);
    const collected = await requestSignatures(asked, body, attested.admission, { nodeRegistry: domain, logger });
    const signatures = requireQuorum(collected, set, "signed").slice(0, set.threshold);
    const { admission, enclaveSignature } = attested;
    await this.#send(nodeRegistry.populateAdmit(admission, enclaveSignature, joinSignatures(signatures)));
    return admission.leaseUntil;
  }

  async #announce(node: string): Promise<void> {
    const { nodeRegistry, url, logger } = this.#dependencies;
    if ((await nodeRegistry.urlOf(node)) === url) return;
    await this.#send(nodeRegistry.populateAnnounce(node, url));
    logger.info({ node, url }, "announced");
  }

  async #send(call: Call): Promise<void> {
    const { operator, provider } = this.#dependencies;
    const sent = await operator.connect(provider).sendTransaction(call);
    await sent.wait(1, INCLUSION_SECONDS * 1000);
  }
}

function bodyOf(attested: AttestedAdmission, blockNumber: number, challenges: string[]): AdmissionRequestJson {
  const { admission, evidence, enclaveSignature } = attested;
  return {
    admission: { ...admission, epoch: Number(admission.epoch) },
    evidence: encodeBase64(evidence),
    blockNumber,
    challenges,
    enclaveSignature,
  };
}

function requireQuorum<Answer>(answers: readonly Answer[], set: CurrentVerifiers, verb: string): readonly Answer[] {
  const { threshold, size } = set;
  if (answers.length >= threshold) return answers;
  const message = `${answers.length} of ${size} verifiers ${verb}, and an admission needs ${threshold}; it is tried again.`;
  throw new OpgError("verifier_unavailable", message, { answered: answers.length, threshold, size });
}
