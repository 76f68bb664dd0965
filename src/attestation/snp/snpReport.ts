import { hexlify, sha256 } from "ethers";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";

/** Size of `ATTESTATION_REPORT` (AMD, SEV-SNP Firmware ABI, table 23). */
export const REPORT_BYTES = 0x4a0;

const SIGNED_BYTES = 0x2a0;
/** r and s lie in 72 bytes each, little-endian, of which P-384 uses 48. */
const INTEGER_FIELD = 72;
const INTEGER_BYTES = 48;

const VERSIONS = [2, 3];
const ECDSA_P384_SHA384 = 1;
const DEBUG = 1n << 19n;
const ALWAYS_SET = 1n << 17n;
/** Zen 3 and Zen 4. Later ones lay out the TCB in another way. */
const FAMILY = 0x19;

/** Versions of AMD's firmware and microcode. */
export interface SnpTcb {
  bootLoader: number;
  tee: number;
  snp: number;
  microcode: number;
}

/** What a report states, once it is one that is supported. */
export interface SnpReport {
  /** `sha256("OPG/sev-snp/1" || policy || MEASUREMENT || HOST_DATA)`. */
  measurement: string;
  /** The registers that it is made of, hex. */
  registers: Readonly<Record<string, string>>;
  /** 64 bytes, hex. */
  reportData: string;
  /** What the machine's key was derived for. */
  reportedTcb: SnpTcb;
  /** Hex. */
  chipId: string;
  /** The bytes that are signed, and r, then s, 48 bytes each, big-endian. */
  signed: Uint8Array;
  signature: Uint8Array;
}

/**
 * Reads a report, version 2 or 3, for a guest without debugging, asked for from its most privileged level and signed by the
 * machine's own key (VCEK). Nothing may stand in what is not signed.
 *
 * @throws OpgError `evidence_refused`: `malformed`, `unsupported_version`, `unsupported_algorithm`, `debug_mode` or
 *   `wrong_privilege`
 */
export function readSnpReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== REPORT_BYTES) throw refusedEvidence("malformed", { field: "report" });
  const report = Buffer.from(bytes);
  checkVariant(report);
  checkGuest(report);
  const registers = {
    policy: report.subarray(0x08, 0x10),
    measurement: report.subarray(0x90, 0xc0),
    hostData: report.subarray(0xc0, 0xe0),
  };
  const named = Object.entries(registers);
  return {
    measurement: sha256(Buffer.concat([Buffer.from("OPG/sev-snp/1"), ...named.map(([, value]) => value)])),
    registers: Object.fromEntries(named.map(([name, value]) => [name, hexlify(value)])),
    reportData: hexlify(report.subarray(0x50, 0x90)),
    reportedTcb: readTcb(report.subarray(0x180, 0x188)),
    chipId: report.toString("hex", 0x1a0, 0x1e0),
    signed: report.subarray(0, SIGNED_BYTES),
    signature: readSignature(report.subarray(SIGNED_BYTES)),
  };
}

function checkVariant(report: Buffer): void {
  const version = report.readUInt32LE(0);
  if (!VERSIONS.includes(version)) throw refusedEvidence("unsupported_version", { version });
  const family = report[0x188];
  // Only version 3 says for which processor it was made.
  if (version === 3 && family !== FAMILY) throw refusedEvidence("unsupported_version", { family });
  if (report.readUInt32LE(0x34) !== ECDSA_P384_SHA384) throw refusedEvidence("unsupported_algorithm");
  const signingKey = (report.readUInt32LE(0x48) >> 2) & 0x07;
  if (signingKey !== 0) throw refusedEvidence("unsupported_version", { signingKey });
}

function checkGuest(report: Buffer): void {
  const policy = report.readBigUInt64LE(0x08);
  if ((policy & DEBUG) !== 0n) throw refusedEvidence("debug_mode");
  if ((policy & ALWAYS_SET) === 0n) throw refusedEvidence("malformed", { field: "policy" });
  const vmpl = report.readUInt32LE(0x30);
  // The host can ask for reports too, under 0xffffffff.
  if (vmpl !== 0) throw refusedEvidence("wrong_privilege", { vmpl });
}

function readTcb([bootLoader = 0, tee = 0, , , , , snp = 0, microcode = 0]: Uint8Array): SnpTcb {
  return { bootLoader, tee, snp, microcode };
}

function readSignature(field: Buffer): Uint8Array {
  const unused = [
    field.subarray(INTEGER_BYTES, INTEGER_FIELD),
    field.subarray(INTEGER_FIELD + INTEGER_BYTES, 2 * INTEGER_FIELD),
    field.subarray(2 * INTEGER_FIELD),
  ];
  if (unused.some((part) => part.some((byte) => byte !== 0)))
    throw refusedEvidence("malformed", { field: "signature" });
  const integer = (position: number) => Buffer.from(field.subarray(position, position + INTEGER_BYTES)).reverse();
  return Buffer.concat([integer(0), integer(INTEGER_FIELD)]);
}

/** A report with another signature, given as r, then s, big-endian. */
export function withSignature(report: Uint8Array, signature: Uint8Array): Uint8Array {
  const signed = Buffer.alloc(REPORT_BYTES);
  signed.set(report.subarray(0, SIGNED_BYTES));
  const half = signature.length / 2;
  signed.set(signature.slice(0, half).reverse(), SIGNED_BYTES);
  signed.set(signature.slice(half).reverse(), SIGNED_BYTES + INTEGER_FIELD);
  return signed;
}
