import { randomBytes } from "node:crypto";
import secp256k1 from "secp256k1";
import { proxyAddresses, type ProxyAuthorization, proxyPaymentDigest } from "#protocol/proxyPayment.ts";
import { fastKeccak } from "#service/fastKeccak.ts";

/** What a merchant asks for, and a payer signs. */
export interface BenchTerms {
  chainId: number;
  token: string;
  payTo: string;
  /** Who settles: goes into the witness and into `extra`. */
  facilitator: string;
  /** Atomic units, a decimal string. */
  amount: string;
}

/** Who pays, and with which key. */
export interface BenchPayer {
  address: string;
  /** 32 bytes as hex. */
  key: string;
}

/** Whether a payer's nonces lie beside each other, as our client allocates them, or anywhere, as x402's own does. */
export type Nonces = "within words" | "random";

const LIFETIME_SECONDS = 3600;
const WORD = 256n;

/** Makes distinct valid payments, in turns from each payer. */
export class PaymentMaker {
  readonly #terms: BenchTerms;
  readonly #payers: readonly BenchPayer[];
  readonly #nonces: Nonces;
  /** Each payer's next nonce. */
  readonly #next: bigint[];
  #turn = 0;

  constructor(terms: BenchTerms, payers: readonly BenchPayer[], nonces: Nonces) {
    this.#terms = terms;
    this.#payers = payers;
    this.#nonces = nonces;
    this.#next = payers.map(() => randomNonce() * WORD);
  }

  /** Bodies of `/verify` and `/settle`. */
  make(count: number): string[] {
    return Array.from({ length: count }, () => {
      const turn = this.#turn++ % this.#payers.length;
      const nonce = this.#nonces === "random" ? randomNonce() : (this.#next[turn] ?? 0n);
      this.#next[turn] = nonce + 1n;
      return bodyOf(this.#terms, this.#payers[turn] as BenchPayer, nonce);
    });
  }
}

function randomNonce(): bigint {
  return BigInt(`0x${randomBytes(30).toString("hex")}`);
}

function bodyOf(terms: BenchTerms, payer: BenchPayer, nonce: bigint): string {
  const { chainId, token, payTo, facilitator, amount } = terms;
  const authorization: ProxyAuthorization = {
    from: payer.address,
    permitted: { token, amount: BigInt(amount) },
    spender: proxyAddresses.upto,
    nonce,
    deadline: BigInt(Math.floor(Date.now() / 1000) + LIFETIME_SECONDS),
    witness: { to: payTo, facilitator, validAfter: 0n },
  };
  const accepted = {
    ...{ scheme: "upto", network: `eip155:${chainId}`, amount, asset: token, payTo },
    ...{ maxTimeoutSeconds: LIFETIME_SECONDS },
    extra: { assetTransferMethod: "permit2", facilitatorAddress: facilitator },
  };
  const signature = sign(proxyPaymentDigest("upto", authorization, BigInt(chainId), fastKeccak), payer.key);
  const payload = { signature, permit2Authorization: authorization };
  const body = { x402Version: 2, paymentPayload: { x402Version: 2, accepted, payload }, paymentRequirements: accepted };
  return JSON.stringify(body, (_, part: unknown) => (typeof part === "bigint" ? part.toString() : part));
}

function sign(digest: string, key: string): string {
  const bytes = (hex: string): Buffer => Buffer.from(hex.slice(2), "hex");
  const { signature, recid } = secp256k1.ecdsaSign(bytes(digest), bytes(key));
  return `0x${Buffer.from(signature).toString("hex")}${(27 + recid).toString(16)}`;
}
