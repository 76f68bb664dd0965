import { z } from "zod";
import { uint } from "./hex.ts";

/** A version's price, in atomic units of OPG: set by the publisher, part of the versionId, never changed. */
export interface Meter {
  base: bigint;
  perInputByte: bigint;
  perOutputByte: bigint;
}

/** Wire shape of {@link Meter}; widths are those of the contract's storage. */
export const meterJson = z.strictObject({ base: uint(128), perInputByte: uint(64), perOutputByte: uint(64) });

/**
 * The charge of a task: `base + inputBytes * perInputByte + outputBytes * perOutputByte`, bytes being tensor data.
 * Gateway, node and verifier compute it with this one function, so that they agree to the last unit.
 *
 * @returns atomic units of OPG
 */
export function meterCharge(meter: Meter, inputBytes: bigint, outputBytes: bigint): bigint {
  return meter.base + inputBytes * meter.perInputByte + outputBytes * meter.perOutputByte;
}

/** The charge of a stream that ended after so many steps: nothing before the first. @returns atomic units of OPG */
export function streamCharge(meter: Meter, inputBytes: bigint, outputBytes: bigint, steps: number): bigint {
  return steps === 0 ? 0n : meterCharge(meter, inputBytes, outputBytes);
}
