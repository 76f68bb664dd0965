import { refusedEvidence } from "#attestation/refusedEvidence.ts";
import type { QeIdentity, TcbInfo } from "./collateral.ts";
import type { PckPlatform } from "./pckCertificate.ts";
import type { EnclaveReport, SeamState } from "./reports.ts";

/** The only status that counts. Others mean known weaknesses, in part mitigated in ways that a quote does not show. */
const UP_TO_DATE = "UpToDate";

/**
 * Finds the machine's level on Intel's list, the first whose versions it reaches, and refuses any that is not up to date.
 * For a TD its module's level counts too.
 *
 * @throws OpgError `evidence_refused`: `wrong_platform` or `tcb_not_accepted`
 */
export function checkPlatformTcb(info: TcbInfo, platform: PckPlatform, seam: SeamState | undefined): void {
  if (info.id !== (seam ? "TDX" : "SGX")) throw refusedEvidence("bad_collateral", { field: "tcbInfo.id" });
  if (info.fmspc !== platform.fmspc || info.pceId !== platform.pceId) {
    throw refusedEvidence("wrong_platform", { fmspc: platform.fmspc });
  }
  const level = info.tcbLevels.find(
    ({ tcb }) =>
      reaches(platform.components, tcb.sgxtcbcomponents) &&
      platform.pceSvn >= tcb.pcesvn &&
      (!seam || reachesSeam(seam.tcbSvn, tcb.tdxtcbcomponents)),
  );
  accept("platform", level?.tcbStatus);
  if (seam) checkModule(info, seam);
}

/**
 * Holds the quoting enclave's report against what Intel says of it.
 *
 * @throws OpgError `evidence_refused`: `wrong_quoting_enclave` or `tcb_not_accepted`
 */
export function checkQuotingEnclave(identity: QeIdentity, report: EnclaveReport, kind: "tdx" | "sgx"): void {
  if (identity.id !== (kind === "tdx" ? "TD_QE" : "QE")) {
    throw refusedEvidence("bad_collateral", { field: "qeIdentity.id" });
  }
  const isIntels =
    matches(report.miscSelect, identity.miscselect, identity.miscselectMask) &&
    matches(report.attributes, identity.attributes, identity.attributesMask) &&
    Buffer.from(report.mrSigner).toString("hex") === identity.mrsigner &&
    report.isvProdId === identity.isvprodid;
  if (!isIntels) throw refusedEvidence("wrong_quoting_enclave");
  accept("quoting enclave", identity.tcbLevels.find(({ tcb }) => report.isvSvn >= tcb.isvsvn)?.tcbStatus);
}

/** The module's version stands in the second byte of TEE_TCB_SVN, its security version in the first. */
function checkModule(info: TcbInfo, { tcbSvn, mrSigner, attributes }: SeamState): void {
  const [isvSvn = 0, version = 0] = tcbSvn;
  const id = `TDX_${version.toString(16).padStart(2, "0")}`;
  const identity = info.tdxModuleIdentities?.find((candidate) => candidate.id.toLowerCase() === id.toLowerCase());
  const expected = version === 0 ? info.tdxModule : identity;
  const isIntels =
    expected !== undefined &&
    Buffer.from(mrSigner).toString("hex") === expected.mrsigner &&
    matches(attributes, expected.attributes, expected.attributesMask);
  if (!isIntels) throw refusedEvidence("wrong_platform", { module: id });
  // The first version has no levels of its own: its security version is among the platform's components.
  if (version === 0) return;
  accept("module", identity?.tcbLevels.find(({ tcb }) => isvSvn >= tcb.isvsvn)?.tcbStatus);
}

function reaches(found: ArrayLike<number>, wanted: readonly { svn: number }[], from = 0): boolean {
  return wanted.every(({ svn }, index) => index < from || (found[index] ?? 0) >= svn);
}

/** The first two components are the module's, which has an identity of its own from its second version on. */
function reachesSeam(tcbSvn: Uint8Array, wanted: readonly { svn: number }[] | undefined): boolean {
  return wanted !== undefined && reaches(tcbSvn, wanted, tcbSvn[1] === 0 ? 0 : 2);
}

function matches(found: Uint8Array, expectedHex: string, maskHex: string): boolean {
  const [expected, mask] = [Buffer.from(expectedHex, "hex"), Buffer.from(maskHex, "hex")];
  return expected.every((byte, index) => ((found[index] ?? 0) & (mask[index] ?? 0)) === (byte & (mask[index] ?? 0)));
}

function accept(part: string, status: string | undefined): void {
  if (status !== UP_TO_DATE) throw refusedEvidence("tcb_not_accepted", { part, status: status ?? "unknown" });
}
