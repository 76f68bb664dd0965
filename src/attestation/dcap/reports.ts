import { hexlify, sha256 } from "ethers";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import type { DcapKind } from "./dcapDocument.ts";

const HEADER_BYTES = 48;
export const ENCLAVE_REPORT_BYTES = 384;
export const TD_REPORT_BYTES = 584;

/** ECDSA on P-256, the only kind of attestation key that Intel's quoting enclaves use. */
const ECDSA_P256 = 2;
/** Intel's quoting enclave. */
const INTEL_QE = "939a7233f79c4ca9940a0db3957f0607";
const teeTypes: Readonly<Record<DcapKind, number>> = { sgx: 0, tdx: 0x81 };
const bodyBytes: Readonly<Record<DcapKind, number>> = { sgx: ENCLAVE_REPORT_BYTES, tdx: TD_REPORT_BYTES };

/** An SGX enclave's report, in the order in which it lies in memory. */
export interface EnclaveReport {
  miscSelect: Uint8Array;
  attributes: Uint8Array;
  mrEnclave: Uint8Array;
  mrSigner: Uint8Array;
  configId: Uint8Array;
  isvProdId: number;
  isvSvn: number;
  configSvn: Uint8Array;
  reportData: Uint8Array;
}

/** What a report states of the code. */
export interface ReportedCode {
  measurement: string;
  /** The registers that it is made of, hex. */
  registers: Readonly<Record<string, string>>;
  /** 64 bytes, hex. */
  reportData: string;
}

/** What of a TD's report says which module of Intel's runs it. */
export interface SeamState {
  /** TEE_TCB_SVN, 16 bytes. */
  tcbSvn: Uint8Array;
  mrSigner: Uint8Array;
  attributes: Uint8Array;
}

/**
 * The report inside of what is signed, once the header before it is one that is supported: version 3 (SGX) or 4, an ECDSA
 * key on P-256, Intel's quoting enclave.
 *
 * @throws OpgError `evidence_refused`: `unsupported_version` or `malformed`
 */
export function readBody(signed: Uint8Array, kind: DcapKind): Uint8Array {
  const header = Buffer.from(signed.subarray(0, HEADER_BYTES));
  const version = header.readUInt16LE(0);
  const isKnown = version === 4 || (version === 3 && kind === "sgx");
  if (!isKnown) throw refusedEvidence("unsupported_version", { version });
  if (header.readUInt16LE(2) !== ECDSA_P256) throw refusedEvidence("unsupported_algorithm");
  if (header.readUInt32LE(4) !== teeTypes[kind]) throw refusedEvidence("malformed", { field: "teeType" });
  if (header.toString("hex", 12, 28) !== INTEL_QE) throw refusedEvidence("wrong_quoting_enclave");
  const body = signed.subarray(HEADER_BYTES);
  if (body.length !== bodyBytes[kind]) throw refusedEvidence("malformed", { field: "report" });
  return body;
}

/** Reads an enclave's report: `sgx_report_body_t`. */
export function readEnclaveReport(body: Uint8Array): EnclaveReport {
  const view = Buffer.from(body);
  return {
    miscSelect: view.subarray(16, 20),
    attributes: view.subarray(48, 64),
    mrEnclave: view.subarray(64, 96),
    mrSigner: view.subarray(128, 160),
    configId: view.subarray(192, 256),
    isvProdId: view.readUInt16LE(256),
    isvSvn: view.readUInt16LE(258),
    configSvn: view.subarray(260, 262),
    reportData: view.subarray(320, 384),
  };
}

/**
 * What an SGX enclave is: code, configuration and flags.
 *
 * @throws OpgError `evidence_refused`: `debug_mode`
 */
export function codeOfEnclave(body: Uint8Array): ReportedCode {
  const { attributes, mrEnclave, configId, configSvn, reportData, miscSelect } = readEnclaveReport(body);
  const flags = attributes.subarray(0, 8);
  const [first = 0] = flags;
  const [initialised, debug] = [0x01, 0x02];
  if ((first & debug) !== 0) throw refusedEvidence("debug_mode");
  if ((first & initialised) === 0) throw refusedEvidence("malformed", { field: "attributes" });
  return measured("sgx", { flags, miscSelect, mrEnclave, configId, configSvn }, reportData);
}

/**
 * What a TD is: firmware, what that loaded, its owner's configuration and attributes.
 *
 * @throws OpgError `evidence_refused`: `debug_mode`
 */
export function codeOfTd(body: Uint8Array): ReportedCode {
  const attributes = body.subarray(120, 128);
  // Each of the lowest eight bits makes a TD untrusted; the first of them is debug.
  if (attributes[0] !== 0) throw refusedEvidence("debug_mode");
  const at = (position: number) => body.subarray(position, position + 48);
  const registers = {
    attributes,
    xfam: body.subarray(128, 136),
    mrTd: at(136),
    mrConfigId: at(184),
    mrOwner: at(232),
    mrOwnerConfig: at(280),
    rtmr0: at(328),
    rtmr1: at(376),
    rtmr2: at(424),
    rtmr3: at(472),
  };
  return measured("tdx", registers, body.subarray(520, 584));
}

/** Which module of Intel's runs a TD. */
export function seamOf(body: Uint8Array): SeamState {
  return {
    tcbSvn: body.subarray(0, 16),
    mrSigner: body.subarray(64, 112),
    attributes: body.subarray(112, 120),
  };
}

/** `sha256("OPG/<kind>/1" || registers in the order given)`, all of fixed length. */
function measured(
  kind: DcapKind,
  registers: Readonly<Record<string, Uint8Array>>,
  reportData: Uint8Array,
): ReportedCode {
  const named = Object.entries(registers);
  return {
    measurement: sha256(Buffer.concat([Buffer.from(`OPG/${kind}/1`), ...named.map(([, value]) => value)])),
    registers: Object.fromEntries(named.map(([name, value]) => [name, hexlify(value)])),
    reportData: hexlify(reportData),
  };
}
