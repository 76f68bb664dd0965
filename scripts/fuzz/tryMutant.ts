import { verifyEvidence } from "#attestation/verifyEvidence.ts";
import { mutateBytes } from "./mutateBytes.ts";
import { mutateTree } from "./mutateTree.ts";
import { Random } from "./random.ts";
import type { Subject } from "./subjects.ts";

/** One mutant may take as long as many verifications on a busy machine. */
const MAX_MUTANT_MS = 5_000;

/** What became of a mutant that should have been refused. */
export interface Finding {
  kind: "accepted" | "crashed";
  subject: string;
  /** Its number, which with the seed says how it was made. */
  index: number;
  what: string;
  mutant: string;
}

/**
 * Makes one mutant and has it verified. It is found to be accepted if it verifies at all: it differs from a document in its
 * single form, of which no byte may change. It is found to crash if anything but a refusal comes of it, or that takes too long.
 *
 * @returns `undefined` if it was refused
 */
export function tryMutant(subjects: readonly Subject[], seed: number, index: number): Finding | undefined {
  const random = new Random(Math.imul(seed, 0x9e3779b1) + index);
  const subject = random.pick(subjects);
  const mutant = makeMutant(subject, subjects, random);
  const found = (kind: Finding["kind"], what: string): Finding => ({
    ...{ kind, subject: subject.name, index, what },
    mutant: Buffer.from(mutant).toString("base64"),
  });
  const startedMs = performance.now();
  try {
    const { accepted } = verifyEvidence(subject.kind, mutant, subject.options);
    if (accepted) return found("accepted", "verifies though it was changed");
  } catch (error) {
    return found("crashed", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const tookMs = performance.now() - startedMs;
  return tookMs > MAX_MUTANT_MS ? found("crashed", `took ${tookMs.toFixed(0)} ms`) : undefined;
}

/** Draws again where nothing was changed, as when two equal values were swapped. */
function makeMutant(subject: Subject, subjects: readonly Subject[], random: Random): Uint8Array {
  const { document, attacks } = subject;
  for (;;) {
    const other = random.pick(subjects).document;
    const isAttack = attacks.length > 0 && random.once(3);
    const bytes = () => mutateBytes(document, random, other);
    const mutant = isAttack ? random.pick(attacks)(random) : random.once(3) ? bytes() : mutateTree(document, random);
    if (Buffer.compare(mutant, document) !== 0) return mutant;
  }
}
