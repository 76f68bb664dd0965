import { z } from "zod";
import type { Platform } from "#attestation/evidence.ts";
import { openNitroPlatform } from "#attestation/nitro/nitroPlatform.ts";
import { nitroProgram } from "#attestation/nitro/nitroProgram.ts";
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
  /** Path of the program that brings requests to a Nitro enclave's device, see `nitroProgram`. */
  OPG_NITRO_COMMAND: z.string().min(1).optional(),
};

/** {@link platformVariables} as read. */
export type PlatformConfig = z.output<z.ZodObject<typeof platformVariables>>;

/**
 * Opens the one platform that the variables name.
 *
 * @throws OpgError `configuration` where they name none or two; see also `openNitroPlatform`
 */
export async function openPlatform(config: PlatformConfig, clock: Clock): Promise<Platform> {
  const { OPG_SIMULATED_ROOT_KEY: root, OPG_NITRO_COMMAND: program } = config;
  if (program !== undefined && root === undefined) return openNitroPlatform(nitroProgram(program));
  if (root !== undefined && program === undefined) {
    return createSimulatedPlatform({ root, profile: profileDigest, clock });
  }
  const problem = root === undefined ? "neither is set" : "both are set";
  const message = `A node signs under OPG_SIMULATED_ROOT_KEY or asks OPG_NITRO_COMMAND for evidence, and ${problem}; set one.`;
  throw new OpgError("configuration", message, { variable: "OPG_SIMULATED_ROOT_KEY" });
}

/** What went wrong in words; nothing of the key is in them. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "it cannot be read";
}
