import { TypedDataEncoder } from "ethers";
import type { Domain } from "#protocol/typedData.ts";
import { refusalTypedData, type SignedVerdict, verdictTypedData } from "#protocol/verdict.ts";
import { recoverSigner } from "#service/recoverSigner.ts";
import { type CheckResult, passed, refused } from "./check.ts";

/** What a verdict has to be about. */
export interface ExpectedVerdict {
  resultHash: string;
  /** The task's policy. */
  mode: number;
  settlement: Domain;
}

/** A verdict is about this result, and signed by the verifier it names, its reason too. Membership is the chain's word. */
export function checkVerdict(verdict: SignedVerdict, { resultHash, mode, settlement }: ExpectedVerdict): CheckResult {
  const { verifier, reason, reasonSignature } = verdict;
  if (verdict.resultHash !== resultHash) {
    return refused("invalid_body", `${verifier}'s verdict is about another result.`, {
      have: verdict.resultHash,
      need: resultHash,
    });
  }
  if (verdict.mode !== mode) {
    return refused("invalid_body", `${verifier} checked in mode ${verdict.mode}; the task asks for mode ${mode}.`, {
      have: verdict.mode,
      need: mode,
    });
  }
  const signed = verdictTypedData({ ...verdict, epoch: BigInt(verdict.epoch) }, settlement);
  if (!isSignedBy(verifier, signed, verdict.signature)) {
    return refused("invalid_signature", `The verdict is not signed by ${verifier}.`, { verifier });
  }
  if (reason === undefined) return passed;
  if (isSignedBy(verifier, refusalTypedData(resultHash, reason, settlement), reasonSignature ?? "0x")) return passed;
  return refused("invalid_signature", `The reason of the refusal is not signed by ${verifier}.`, { verifier });
}

type TypedData = ReturnType<typeof verdictTypedData> | ReturnType<typeof refusalTypedData>;

function isSignedBy(verifier: string, { domain, types, value }: TypedData, signature: string): boolean {
  return recoverSigner(TypedDataEncoder.hash(domain, types, value), signature) === verifier;
}
