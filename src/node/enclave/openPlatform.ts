import type { z } from "zod";
import { createDevelopmentPlatform } from "#attestation/development.ts";
import type { Platform } from "#attestation/evidence.ts";
import { profileDigest } from "#execution/profile.ts";
import type { Clock } from "#service/clock.ts";
import { privateKey } from "#service/config.ts";

/** Variables that say which platform an enclave runs on. */
export const platformVariables = {
  /** Signs evidence in place of a platform. */
  OPG_DEVELOPMENT_ROOT_KEY: privateKey,
};

/** {@link platformVariables} as read. */
export type PlatformConfig = z.output<z.ZodObject<typeof platformVariables>>;

/** Opens the platform that the variables name. */
export function openPlatform({ OPG_DEVELOPMENT_ROOT_KEY: root }: PlatformConfig, clock: Clock): Promise<Platform> {
  return Promise.resolve(createDevelopmentPlatform(root.signingKey, profileDigest, clock));
}
