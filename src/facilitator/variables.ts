import { z } from "zod";
import { MAX_BATCH_RECEIPTS } from "#protocol/batchMessages.ts";
import {
  atomicUnits,
  daemonVariables,
  drainSeconds,
  limitVariables,
  privateKey,
  privateKeys,
  retentionSeconds,
  wholeNumber,
} from "#service/config.ts";

/** 10 OPG. */
const DEFAULT_EXPOSURE_CAP = 10n * 10n ** 18n;

/** Variables that a facilitator reads. */
export const facilitatorVariables = {
  ...daemonVariables,
  ...limitVariables,
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, "must be a postgresql:// URL"),
  /** Signs releases, owns the entry, and sends transactions. */
  OPG_FACILITATOR_KEY: privateKey,
  /** Further accounts that send transactions. */
  OPG_SIGNER_KEYS: privateKeys.default([]),
  /** Blocks, its own included, that a transaction must have to count. */
  OPG_CONFIRMATIONS: wholeNumber(1, 1_000).default(1),
  /** Blocks that it must have not to be watched any more. */
  OPG_REORG_BLOCKS: wholeNumber(1, 100).default(12),
  /** What one payer may owe of a token without a lock, atomic units. */
  OPG_EXPOSURE_CAP: atomicUnits.default(DEFAULT_EXPOSURE_CAP),
  /** A batch is built as soon as so many receipts wait for it, */
  OPG_BATCH_RECEIPTS: wholeNumber(1, MAX_BATCH_RECEIPTS).default(MAX_BATCH_RECEIPTS),
  /** or one has waited so long. */
  OPG_BATCH_AGE_SECONDS: wholeNumber(1, 7 * 24 * 3600).default(600),
  /** Ended tasks and payments are forgotten so long after their authorizations are over. */
  OPG_RETENTION_SECONDS: retentionSeconds,
  /** What requests that are cut off began is taken up at the next start. */
  OPG_DRAIN_SECONDS: drainSeconds.default(5),
};

export type FacilitatorConfig = z.output<z.ZodObject<typeof facilitatorVariables>>;
