import { sha256 } from "ethers";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";

/** Kinds of documents in Nitro's format. */
export type NitroKind = "nitro" | "simulated";

/** The registers that say what code runs: image, kernel and boot file system, application. */
const REGISTERS = [0, 1, 2] as const;
const REGISTER_BYTES = 48;

/**
 * The measurement of code in an enclave: `sha256("OPG/<kind>/1" || PCR0 || PCR1 || PCR2)`. The other registers say who
 * started it and where. The kind is in it, so that a simulated platform cannot state what was approved for a real one.
 *
 * @throws OpgError `evidence_refused`: `malformed` without those registers, `debug_mode` where one is zero
 */
export function nitroMeasurement(kind: NitroKind, pcrs: ReadonlyMap<number, Uint8Array>): string {
  const values = REGISTERS.map((register) => {
    const value = pcrs.get(register);
    if (value?.length !== REGISTER_BYTES) throw refusedEvidence("malformed", { field: `pcrs.${register}` });
    // A debug enclave's registers are zero.
    if (value.every((byte) => byte === 0)) throw refusedEvidence("debug_mode", { field: `pcrs.${register}` });
    return value;
  });
  return sha256(Buffer.concat([Buffer.from(`OPG/${kind}/1`), ...values]));
}
