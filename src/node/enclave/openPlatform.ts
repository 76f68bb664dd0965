import { z } from "zod";
import type { Platform } from "#attestation/evidence.ts";
import { createSimulatedPlatform, readSimulatedRoot } from "#attestation/nitro/simulated.ts";
import { profileDigest } from "#execution/profile.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Clock } from "#service/clock.ts";

/** Variables that say which platform an enclave runs on. */
export const platformVariables = {
  /** Certificate and private key, in PEM, of a root that a simulated platform signs under. */
  OPG_SIMULATED_ROOT_KEY: z
    .string()
    .transform((pem, context) => {
      try {
        return readSimulatedRoot(pem);
      } catch (error) {
        context.addIssue({
          code: "custom",
          message: `must be a certificate and its key in PEM, but ${messageOf(error)}`,
        });
        return z.NEVER;
      }
    })
    .optional(),
};

/** {@link platformVariables} as read. */
export type PlatformConfig = z.output<z.ZodObject<typeof platformVariables>>;

/**
 * Opens the platform that the variables name.
 *
 * @throws OpgError `configuration` where they name none
 */
export function openPlatform({ OPG_SIMULATED_ROOT_KEY: root }: PlatformConfig, clock: Clock): Promise<Platform> {
  if (root) return Promise.resolve(createSimulatedPlatform({ root, profile: profileDigest, clock }));
  const message = "OPG_SIMULATED_ROOT_KEY is not set; set it and start again.";
  throw new OpgError("configuration", message, { variable: "OPG_SIMULATED_ROOT_KEY" });
}

/** What went wrong in words; nothing of the key is in them. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "it cannot be read";
}
