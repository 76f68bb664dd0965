import { getBytes, hexlify, toUtf8Bytes } from "ethers";
import { AEAD_AES_128_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";

const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_128_GCM);

/** What both sides must agree on for a seal to open; see RFC 9180, section 5. */
export interface SealingContext {
  info: string;
  /** Hex. */
  aad: string;
}

/** Sealed bytes, and what the holder of the key opens them with. */
export interface Sealed {
  /** Hex, 32 bytes. */
  encapsulatedKey: string;
  ciphertext: Uint8Array;
}

/** A key pair whose private half stays in here. */
export interface SealingKeyPair {
  /** Public key, hex, 32 bytes. */
  publicKey: string;
  /** @throws where it was not sealed to this key in this context, or a bit of it has changed */
  open(sealed: Sealed, context: SealingContext): Promise<Uint8Array>;
}

/** Makes a key pair of X25519. */
export async function makeSealingKeyPair(): Promise<SealingKeyPair> {
  const pair = await suite.GenerateKeyPair();
  return {
    publicKey: hexlify(await suite.SerializePublicKey(pair.publicKey)),
    open: ({ encapsulatedKey, ciphertext }, context) =>
      suite.Open(pair, getBytes(encapsulatedKey), ciphertext, optionsOf(context)),
  };
}

/**
 * Seals bytes to a public key by HPKE in base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.
 *
 * @param publicKey - hex, 32 bytes
 * @throws where the key is no usable point
 */
export async function seal(publicKey: string, plaintext: Uint8Array, context: SealingContext): Promise<Sealed> {
  const key = await suite.DeserializePublicKey(getBytes(publicKey));
  const { encapsulatedSecret, ciphertext } = await suite.Seal(key, plaintext, optionsOf(context));
  return { encapsulatedKey: hexlify(encapsulatedSecret), ciphertext };
}

function optionsOf({ info, aad }: SealingContext) {
  return { info: toUtf8Bytes(info), aad: getBytes(aad) };
}
