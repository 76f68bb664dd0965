import type { CurrentVerifiers } from "#chain/verifierSet.ts";
import { batchTypedData } from "#protocol/batch.ts";
import { domainIn } from "#protocol/network.ts";
import { signDocument } from "#protocol/signedDocument.ts";
import { joinSignatures } from "#protocol/verdict.ts";
import type { StoredBatch } from "#store/facilitatorBatches.ts";
import { type Answer, type Asked, askVerifier, type Question } from "./askVerifier.ts";
import type { BatchDependencies } from "./batchDependencies.ts";
import { collectAnswers, type Said } from "./collectAnswers.ts";
import { HistoryTeacher, isHistoryMissing } from "./historyTeacher.ts";
import { makeBatch } from "./makeBatch.ts";
import { type Objections, type RefusedBy, receiptsToSetAside } from "./receiptsToSetAside.ts";

/** A refused receipt is asked about again after so long, then after twice as long each time. */
const FIRST_RETRY_SECONDS = 60;
const MAX_RETRY_SECONDS = 24 * 3600;

/** What was said of a batch, and by whose members. */
interface Heard {
  said: readonly Said[];
  set: CurrentVerifiers;
}

/** Has batches signed by a quorum, without the receipts that verifiers refuse. */
export class BatchCertifier {
  readonly #dependencies: BatchDependencies;
  readonly #teacher: HistoryTeacher;

  constructor(dependencies: BatchDependencies) {
    this.#dependencies = dependencies;
    this.#teacher = new HistoryTeacher(dependencies);
  }

  /**
   * Asks all members to sign. What they refuse is set aside, and they are asked about the rest, once: a member that names then
   * what it did not name before only goes without its signature.
   *
   * @returns the certified batch, or nothing where there is no quorum yet or the batch was given up
   * @throws OpgError `chain_unavailable`
   */
  async certify(stored: StoredBatch): Promise<StoredBatch | undefined> {
    const first = await this.#hear(stored);
    if (!first) return undefined;
    const objections = await this.#objectionsTo(first);
    if (objections.size === 0) return this.#conclude(stored, first);
    const rest = await this.#setAside(stored, objections);
    const second = rest && (await this.#hear(rest));
    return second && this.#conclude(rest, second);
  }

  /** @returns nothing where the batch was given up, or the process is to end */
  async #hear(stored: StoredBatch): Promise<Heard | undefined> {
    const { verifierSet, stopping } = this.#dependencies;
    const set = await verifierSet.current();
    if (await this.#dropIfStale(stored, set)) return undefined;
    const said = await this.#askAll(stored, set);
    return stopping.aborted ? undefined : { said, set };
  }

  async #conclude(stored: StoredBatch, { said, set }: Heard): Promise<StoredBatch | undefined> {
    const { store, logger } = this.#dependencies;
    const { batchId } = stored;
    const signed = said.flatMap(({ verifier: signer, answer }) =>
      "signature" in answer ? [{ signer, signature: answer.signature }] : [],
    );
    if (signed.length < set.threshold) {
      logger.warn({ batchId, signatures: signed.length, threshold: set.threshold }, "too few sign the batch yet");
      return undefined;
    }
    const signatures = joinSignatures(signed);
    await store.recordBatchCertificate(batchId, signatures);
    logger.info({ batchId, signatures: signed.length }, "batch certified");
    return { ...stored, state: "certified", signatures };
  }

  /** Nobody signs a batch any more that another one overtook, or that names a set which was replaced. */
  async #dropIfStale({ batchId, batch }: StoredBatch, { epoch }: CurrentVerifiers): Promise<boolean> {
    const { store, batches, logger } = this.#dependencies;
    const head = await batches.headOf(batch.facilitator);
    const reason = head !== batch.previous ? "stale_head" : epoch !== batch.epoch ? "epoch_ended" : undefined;
    if (reason === undefined) return false;
    await store.recordBatchDropped(batchId, reason);
    logger.info({ batchId, reason }, "batch dropped");
    return true;
  }

  async #askAll({ batchId, batch }: StoredBatch, { members, threshold }: CurrentVerifiers): Promise<Said[]> {
    const { network, wallet, store, stopping } = this.#dependencies;
    const asked = {
      ...{ batchId, batch },
      signature: await signDocument(wallet, batchTypedData(batch, domainIn(network, "settlement"))),
      receipts: await store.shownReceipts(batchId),
      certificatesOf: (taskIds: readonly string[]) => store.certificatesOf(taskIds),
    };
    return collectAnswers({
      members: network.verifiers
        .filter(({ address }) => members.includes(address))
        .map(({ address: verifier, url }) => ({ verifier, url })),
      ...{ threshold, stopping },
      ask: (member, signal) => this.#ask(member, { ...asked, signal }),
    });
  }

  async #ask(asked: Asked, question: Question): Promise<Answer | undefined> {
    try {
      const answer = await askVerifier(asked, question).catch(isHistoryMissing);
      if (answer !== false) return answer;
      await this.#teacher.teach(asked, question.batch.previous);
      return await askVerifier(asked, question);
    } catch (error) {
      const { verifier } = asked;
      this.#dependencies.logger.warn({ batchId: question.batchId, verifier, err: error }, "a verifier signs no batch");
      return undefined;
    }
  }

  async #objectionsTo({ said, set: { members, threshold } }: Heard): Promise<Objections> {
    const refusals: RefusedBy[] = said.flatMap(({ verifier, answer }) =>
      "refused" in answer ? [{ verifier, refused: answer.refused }] : [],
    );
    const taskIds = refusals.flatMap(({ refused }) => refused.map(({ taskId }) => taskId));
    const { store, clock } = this.#dependencies;
    const setAside = [...(await store.setAsideOf(taskIds))];
    // A crash between setting aside and building anew is no wait.
    const waited = setAside.filter(([, { retryAt }]) => retryAt <= clock()).map(([taskId]) => taskId);
    return receiptsToSetAside(refusals, members.length - threshold, new Set(waited));
  }

  /** @returns the batch of what is left, or nothing where that is nothing */
  async #setAside({ batchId, batch }: StoredBatch, objections: Objections): Promise<StoredBatch | undefined> {
    const { network, store, clock, logger } = this.#dependencies;
    const before = await store.setAsideOf([...objections.keys()]);
    const setAside = [...objections].map(([taskId, reasons]) => {
      const waitSeconds = Math.min(FIRST_RETRY_SECONDS * 2 ** (before.get(taskId)?.times ?? 0), MAX_RETRY_SECONDS);
      return { taskId, reasons, retryAt: clock() + waitSeconds };
    });
    for (const { taskId, reasons } of setAside) logger.warn({ taskId, reasons }, "a receipt is set aside");
    await store.recordSetAside(setAside);
    const left = (await store.receiptsOf(batchId)).filter(({ taskId }) => !objections.has(taskId));
    if (left.length === 0) {
      await store.recordBatchDropped(batchId, "all_refused");
      return undefined;
    }
    const rest = makeBatch(left, batch, domainIn(network, "settlement"));
    await store.recordBatch(rest, batchId);
    return { batchId: rest.batchId, batch: rest.batch, state: "building", signatures: null };
  }
}
