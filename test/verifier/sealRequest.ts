import { encodeBase64, toUtf8Bytes } from "ethers";
import type { ReleasedRequestJson } from "#protocol/messages.ts";
import { type SealedRequestJson, type SealingKey, sealingInfo } from "#protocol/sealedRequest.ts";
import { seal } from "#service/sealing.ts";

/** Seals a request to a verifier, as an enclave does. */
export async function sealRequest(
  { verifier, key }: Pick<SealingKey, "verifier" | "key">,
  chainId: number,
  body: ReleasedRequestJson,
): Promise<SealedRequestJson> {
  const { taskId } = body.release;
  const context = { info: sealingInfo(BigInt(chainId), verifier), aad: taskId };
  const { encapsulatedKey, ciphertext } = await seal(key, toUtf8Bytes(JSON.stringify(body)), context);
  return { taskId, key, encapsulatedKey, ciphertext: encodeBase64(ciphertext) };
}
