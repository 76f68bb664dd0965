import type { Wallet } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { type ReleasedRequest, releasedRequestJson } from "#protocol/messages.ts";
import { type SealedRequestJson, type SealingKey, sealingInfo, sealingKeyTypedData } from "#protocol/sealedRequest.ts";
import { signDocument } from "#protocol/signedDocument.ts";
import type { Domain } from "#protocol/typedData.ts";
import { makeSealingKeyPair, type SealingKeyPair } from "#service/sealing.ts";
import { parseStrictJson } from "#service/strictJson.ts";

interface OwnKey {
  pair: SealingKeyPair;
  published: SealingKey;
}

/** What enclaves seal to this verifier. Its key lives as long as this process. */
export class SealedRequests {
  readonly #own: Promise<OwnKey>;
  readonly #info: string;

  /** @param settlement - domain that the key is signed in */
  constructor(wallet: Wallet, settlement: Domain) {
    this.#info = sealingInfo(settlement.chainId, wallet.address);
    this.#own = makeOwnKey(wallet, settlement);
    // Who asks for it finds out.
    this.#own.catch(() => undefined);
  }

  /** What to seal to, under this verifier's signature. */
  async key(): Promise<SealingKey> {
    return (await this.#own).published;
  }

  /**
   * Opens a sealed request.
   *
   * @throws OpgError `sealing_key_unknown` when it was sealed to another key, such as one from before a restart; `invalid_body`
   * when it does not open, or holds no released request
   */
  async open({ taskId, key, encapsulatedKey, ciphertext }: SealedRequestJson): Promise<ReleasedRequest> {
    const { pair } = await this.#own;
    if (key !== pair.publicKey) {
      throw new OpgError("sealing_key_unknown", "This verifier has another key now; seal the request anew.", {
        taskId,
      });
    }
    const sealed = { encapsulatedKey, ciphertext: Buffer.from(ciphertext, "base64") };
    const opened = await pair.open(sealed, { info: this.#info, aad: taskId }).catch(() => undefined);
    const parsed = opened && releasedRequestJson.safeParse(readJson(opened));
    if (parsed?.success) return parsed.data;
    const message = "What is sealed is no released request of this task; seal one.";
    throw new OpgError("invalid_body", message, { taskId, field: "ciphertext" });
  }
}

async function makeOwnKey(wallet: Wallet, settlement: Domain): Promise<OwnKey> {
  const pair = await makeSealingKeyPair();
  const key = { verifier: wallet.address, key: pair.publicKey };
  const signature = await signDocument(wallet, sealingKeyTypedData(key, settlement));
  return { pair, published: { ...key, signature } };
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(bytes);
  } catch {
    return undefined;
  }
}
