import { z } from "zod";
import { daemonVariables, drainSeconds, privateKey, retentionSeconds } from "#service/config.ts";

/** Variables that a verifier reads. */
export const verifierVariables = {
  ...daemonVariables,
  /** Signs commitments, verdicts and admissions, and pays the gas for closing an epoch. */
  OPG_VERIFIER_KEY: privateKey,
  /** URL of its own PostgreSQL database. */
  DATABASE_URL: z.string().min(1),
  /** Folder where models are kept. */
  OPG_STATE: z.string().min(1),
  /** Where models are fetched; the network's hub unless named. */
  OPG_HUB: z.url().optional(),
  /** Commitments and verdicts are forgotten so long after their tasks could be settled. */
  OPG_RETENTION_SECONDS: retentionSeconds,
  OPG_DRAIN_SECONDS: drainSeconds.default(10),
};
