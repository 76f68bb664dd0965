import { sign } from "node:crypto";
import { encode } from "cborg";
import { fingerprint } from "#attestation/x509/checkChain.ts";
import { lowerForm } from "#attestation/x509/signatures.ts";
import { basicConstraints, issueCertificate, keyUsage, makeKey, type Template, usage } from "./issueCertificate.ts";

/** When these documents are made and checked, seconds since 1970. */
export const now = 1_900_000_000;
const DAY = 24 * 3600;
const scheme = "ecdsa-p384";

/** Root, region, zone, machine, enclave: as AWS's chains. */
export const names = ["root", "region", "zone", "machine", "enclave"] as const;
export const keys = names.map(() => makeKey(scheme));
export const stranger = makeKey(scheme);
const leaf = names.length - 1;

/** How a document differs from a proper one, in the order in which it is made. */
export interface NitroChanges {
  /** When it is made, where that is not `now`. */
  at?: number;
  /** Certificates by their place, root first, before they are signed. */
  certificates?: Readonly<Record<number, Partial<Template>>>;
  /** The chain once issued, root first. */
  chain?: (issued: readonly Buffer[]) => readonly Uint8Array[];
  /** Fields of the payload; `undefined` removes one. */
  fields?: Readonly<Record<string, unknown>>;
  /** The encoded payload, before it is signed. */
  payload?: (encoded: Uint8Array) => Uint8Array;
  /** Who signs the document, where it is not the enclave's certificate's key. */
  signer?: Template["key"];
  /** Protected header that is signed and sent. */
  header?: Uint8Array;
  /** The four parts once signed. */
  parts?: (parts: CoseParts) => CoseParts;
}

export interface CoseParts {
  header: unknown;
  unprotected: unknown;
  payload: unknown;
  signature: Uint8Array;
}

export const es384 = Uint8Array.from([0xa1, 0x01, 0x38, 0x22]);

/** 16 registers, none of the first three zero. */
export function properRegisters(): Map<number, Uint8Array> {
  return new Map(Array.from({ length: 16 }, (_, index) => [index, Buffer.alloc(48, index < 5 ? index + 1 : 0)]));
}

/** A proper certificate of the chain. */
export function template(place: number, at = now): Template {
  const isLeaf = place === leaf;
  return {
    subject: names[place] ?? "",
    issuer: names[Math.max(0, place - 1)] ?? "",
    serial: 100 + place,
    version: 2,
    notBefore: at - DAY,
    notAfter: at + DAY,
    key: keys[place] as Template["key"],
    extensions: isLeaf
      ? [basicConstraints(false), keyUsage(usage.sign)]
      : [basicConstraints(true, place === 0 ? undefined : leaf - 1 - place), keyUsage(usage.certify)],
    scheme,
    signer: keys[Math.max(0, place - 1)] as Template["key"],
  };
}

const properChain = names.map((_, place) => issueCertificate(template(place)));

export function makeChain(changes: NitroChanges["certificates"] = {}, at = now): readonly Buffer[] {
  return properChain.map((certificate, place) =>
    changes[place] || at !== now ? issueCertificate({ ...template(place, at), ...changes[place] }) : certificate,
  );
}

/** A document in Nitro's format under a local root, proper but for the changes, and the fingerprint of its chain's first. */
export function makeNitroDocument(changes: NitroChanges = {}): { document: Uint8Array; roots: string[] } {
  const { at = now } = changes;
  const issued = makeChain(changes.certificates, at);
  const chain = changes.chain?.(issued) ?? issued;
  const fields = Object.entries({
    module_id: "i-0123456789abcdef0-enc0123456789abcdef",
    digest: "SHA384",
    timestamp: at * 1000,
    pcrs: properRegisters(),
    certificate: chain.at(-1),
    cabundle: chain.slice(0, -1),
    public_key: Buffer.alloc(65, 4),
    user_data: Buffer.alloc(32, 5),
    nonce: Buffer.alloc(32, 6),
    ...changes.fields,
  }).filter(([, value]) => value !== undefined);
  const encoded = encode(new Map(fields), { mapSorter: () => 0 });
  const payload = changes.payload?.(encoded) ?? encoded;
  const header = changes.header ?? es384;
  const signed = encode(["Signature1", header, new Uint8Array(), payload]);
  const { privateKey: key } = changes.signer ?? changes.certificates?.[leaf]?.key ?? template(leaf).key;
  const signature = lowerForm(sign("sha384", signed, { key, dsaEncoding: "ieee-p1363" }), scheme);
  const parts: CoseParts = { header, unprotected: new Map(), payload, signature };
  const sent = changes.parts?.(parts) ?? parts;
  const document = encode([sent.header, sent.unprotected, sent.payload, sent.signature]);
  return { document, roots: [fingerprint(issued[0] ?? Buffer.alloc(0))] };
}

/** The other of the two signatures that hold of what a P-384 key signed. */
export function otherForm(signature: Uint8Array): Uint8Array {
  const order = 2n ** 384n - 1388124618062372383947042015309946732620727252194336364173n;
  const s = BigInt(`0x${Buffer.from(signature.subarray(48)).toString("hex")}`);
  const other = (order - s).toString(16).padStart(96, "0");
  return Buffer.concat([signature.subarray(0, 48), Buffer.from(other, "hex")]);
}
