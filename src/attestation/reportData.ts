import { concat, keccak256, toUtf8Bytes } from "ethers";

/**
 * What an enclave has a platform sign that gives it 64 bytes and no more, Intel's and AMD's:
 * `binding || keccak256("OPG/report-data/1" || node || nonce)`.
 *
 * @param claims - `binding` as of `identityBinding`, `node` the signing address, `nonce` as of `challengeNonce`
 */
export function reportDataOf({ binding, node, nonce }: { binding: string; node: string; nonce: string }): string {
  return concat([binding, keccak256(concat([toUtf8Bytes("OPG/report-data/1"), node, nonce]))]);
}
