import { profileDigest } from "#execution/profile.ts";
import { createSimulatedPlatform, makeSimulatedRoot, simulatedRootFingerprint } from "#attestation/nitro/simulated.ts";

/** A simulated root that is valid at the times of all tests. */
export const testRoot = await makeSimulatedRoot(1_600_000_000);

/** What networks of tests name. */
export const testEvidenceRoots = { simulated: [simulatedRootFingerprint(testRoot)] };

/** A platform under it, which runs our own code. */
export function testPlatform(clock: () => number) {
  return createSimulatedPlatform({ root: testRoot, profile: profileDigest, clock });
}
