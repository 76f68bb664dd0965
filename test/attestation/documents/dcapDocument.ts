import { createHash, sign } from "node:crypto";
import type { DcapDocument, DcapKind } from "#attestation/dcap/dcapDocument.ts";
import { encodeDeterministic } from "#attestation/readCbor.ts";
import { fingerprint } from "#attestation/x509/checkChain.ts";
import { withLowSignature } from "#attestation/x509/lowerForm.ts";
import { lowerForm } from "#attestation/x509/signatures.ts";
import { der, integer, objectId, octets, sequence } from "./derWriter.ts";
import {
  basicConstraints,
  extension,
  issueCertificate,
  issueRevocations,
  keyUsage,
  type KeyPair,
  makeKey,
  type RevocationTemplate,
  type Template,
  usage,
} from "./issueCertificate.ts";

/** When these documents are checked, seconds since 1970. */
export const now = 1_900_000_000;
const DAY = 24 * 3600;
const scheme = "ecdsa-p256";
const [rootKey, authorityKey, pckKey, signerKey, attestationKey] = Array.from({ length: 5 }, () => makeKey(scheme)) as [
  KeyPair,
  KeyPair,
  KeyPair,
  KeyPair,
  KeyPair,
];
export const stranger = makeKey(scheme);
export const serials = { root: 1, authority: 2, pck: 3, signer: 4 } as const;
const sgx = "2a864886f84d010d01";

/** What a machine's certificate says of it. */
export interface Platform {
  components: readonly number[];
  pceSvn: number;
  pceId: string;
  fmspc: string;
}

type Texts = Record<string, unknown>;

/** How a document differs from a proper one. */
export interface DcapChanges {
  platform?: Partial<Platform>;
  certificates?: Partial<Record<keyof typeof serials, Partial<Template>>>;
  revocations?: Partial<Record<"root" | "pck", Partial<RevocationTemplate>>>;
  /** Bytes of header and report by their position, before it is signed. */
  signed?: Readonly<Record<number, readonly number[]>>;
  /** Bytes of the quoting enclave's report by their position, before it is signed. */
  qeReport?: Readonly<Record<number, readonly number[]>>;
  quoteSigner?: KeyPair;
  qeSigner?: KeyPair;
  tcbInfo?: (info: Texts) => Texts;
  qeIdentity?: (identity: Texts) => Texts;
  textSigner?: KeyPair;
  /** Leaves the signatures of certificates and lists as they were made, in either form. */
  asIssued?: boolean;
  /** The document before it is encoded. */
  document?: (document: DcapDocument) => unknown;
}

const components = (first: readonly number[]) => Array.from({ length: 16 }, (_, index) => ({ svn: first[index] ?? 0 }));
const times = {
  issueDate: new Date((now - DAY) * 1000).toISOString().replace(".000", ""),
  nextUpdate: new Date((now + DAY) * 1000).toISOString().replace(".000", ""),
};
const platform: Platform = { components: [5, 5, 2], pceSvn: 11, pceId: "0000", fmspc: "b0c06f000000" };
const seam = { mrsigner: "00".repeat(48), attributes: "00".repeat(8), attributesMask: "ff".repeat(8) };

/** Intel's list, with one level that is up to date and one below it. */
function properTcbInfo(kind: DcapKind): Texts {
  const level = (sgxFirst: number[], tdxFirst: number[], pcesvn: number, tcbStatus: string) => ({
    tcb: { sgxtcbcomponents: components(sgxFirst), pcesvn, tdxtcbcomponents: components(tdxFirst) },
    tcbDate: times.issueDate,
    tcbStatus,
  });
  return {
    id: kind === "tdx" ? "TDX" : "SGX",
    version: 3,
    ...times,
    fmspc: platform.fmspc.toUpperCase(),
    pceId: "0000",
    tcbType: 0,
    tdxModule: seam,
    tdxModuleIdentities: [
      {
        id: "TDX_01",
        ...seam,
        tcbLevels: [
          { tcb: { isvsvn: 4 }, tcbStatus: "UpToDate" },
          { tcb: { isvsvn: 2 }, tcbStatus: "OutOfDate" },
        ],
      },
    ],
    tcbLevels: [level([4, 5, 2], [5, 0, 3], 11, "UpToDate"), level([3, 3], [3, 0, 1], 5, "OutOfDate")],
  };
}

function properIdentity(kind: DcapKind): Texts {
  return {
    id: kind === "tdx" ? "TD_QE" : "QE",
    version: 2,
    ...times,
    miscselect: "00000000",
    miscselectMask: "FFFFFFFF",
    attributes: "11000000000000000000000000000000",
    attributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
    mrsigner: "dc".repeat(32),
    isvprodid: 2,
    tcbLevels: [
      { tcb: { isvsvn: 4 }, tcbStatus: "UpToDate" },
      { tcb: { isvsvn: 2 }, tcbStatus: "OutOfDate" },
    ],
  };
}

function sgxExtension({ components: svns, pceSvn, pceId, fmspc }: Platform): Buffer {
  const entry = (id: string, value: Uint8Array) => sequence(objectId(id), value);
  const numbers = [...Array.from({ length: 16 }, (_, index) => svns[index] ?? 0), pceSvn];
  const tcb = numbers.map((svn, index) => entry(`${sgx}02${(index + 1).toString(16).padStart(2, "0")}`, integer(svn)));
  return extension(
    sgx,
    sequence(
      entry(`${sgx}01`, octets(Buffer.alloc(16))),
      entry(`${sgx}02`, sequence(...tcb)),
      entry(`${sgx}03`, octets(Buffer.from(pceId, "hex"))),
      entry(`${sgx}04`, octets(Buffer.from(fmspc, "hex"))),
      entry(`${sgx}05`, der(0x0a, Buffer.from([1]))),
    ),
  );
}

function makeCertificates(changes: DcapChanges): Record<keyof typeof serials, Buffer> {
  const authority = (pathLength: number) => [basicConstraints(true, pathLength), keyUsage(usage.certifyAndRevoke)];
  const leaf = [basicConstraints(false), keyUsage(usage.sign)];
  const pckExtension = sgxExtension({ ...platform, ...changes.platform });
  const one = (name: keyof typeof serials, key: KeyPair, issuer: string, signer: KeyPair, extensions: Uint8Array[]) => {
    const certificate = issueCertificate({
      ...{ subject: name, issuer, serial: serials[name], version: 2, notBefore: now - DAY, notAfter: now + DAY },
      ...{ key, extensions, scheme, signer },
      ...changes.certificates?.[name],
    });
    return name === "root" || changes.asIssued ? certificate : Buffer.from(withLowSignature(certificate, scheme));
  };
  return {
    root: one("root", rootKey, "root", rootKey, authority(1)),
    authority: one("authority", authorityKey, "root", rootKey, authority(0)),
    pck: one("pck", pckKey, "authority", authorityKey, [...leaf, pckExtension]),
    signer: one("signer", signerKey, "root", rootKey, leaf),
  };
}

const low = (data: Uint8Array, { privateKey: key }: KeyPair): Uint8Array =>
  lowerForm(sign("sha256", data, { key, dsaEncoding: "ieee-p1363" }), scheme);

function patched(bytes: Buffer, patches: Readonly<Record<number, readonly number[]>> = {}): Buffer {
  for (const [position, patch] of Object.entries(patches)) bytes.set(patch, Number(position));
  return bytes;
}

function properSigned(kind: DcapKind): Buffer {
  const bytes = Buffer.alloc(48 + (kind === "tdx" ? 584 : 384), 0);
  bytes.writeUInt16LE(kind === "tdx" ? 4 : 3, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(kind === "tdx" ? 0x81 : 0, 4);
  bytes.set(Buffer.from("939a7233f79c4ca9940a0db3957f0607", "hex"), 12);
  // A TD of the module's second version; an enclave that is initialised.
  if (kind === "tdx") return patched(bytes, { 48: [6, 1, 3], [48 + 136]: [...Buffer.alloc(48, 9)] });
  return patched(bytes, { [48 + 48]: [0x05], [48 + 64]: [...Buffer.alloc(32, 9)] });
}

function properQeReport(point: Uint8Array, authData: Uint8Array): Buffer {
  const digest = createHash("sha256").update(point).update(authData).digest();
  return patched(Buffer.alloc(384), {
    48: [0x15],
    128: [...Buffer.alloc(32, 0xdc)],
    256: [2, 0, 5, 0],
    320: [...digest],
  });
}

/** The document before it is encoded, proper but for the changes. */
export function makeDcapParts(kind: DcapKind, changes: DcapChanges = {}): DcapDocument {
  const { root, authority, pck, signer } = makeCertificates(changes);
  const point = attestationKey.publicKey.export({ type: "spki", format: "der" }).subarray(27);
  const qeAuthData = Buffer.from("authentication data");
  const signed = patched(properSigned(kind), changes.signed);
  const qeReport = patched(properQeReport(point, qeAuthData), changes.qeReport);
  const list = (issuer: "root" | "authority", key: KeyPair, changed?: Partial<RevocationTemplate>) => {
    const issued = issueRevocations({
      ...{ issuer, notBefore: now - DAY, notAfter: now + DAY, revoked: [99, 2n ** 150n], extensions: [] },
      ...{ scheme, signer: key },
      ...changed,
    });
    return changes.asIssued ? issued : withLowSignature(issued, scheme);
  };
  const text = (content: Texts) => Buffer.from(JSON.stringify(content));
  const tcbInfo = text((changes.tcbInfo ?? same)(properTcbInfo(kind)));
  const qeIdentity = text((changes.qeIdentity ?? same)(properIdentity(kind)));
  const textSigner = changes.textSigner ?? signerKey;
  return {
    kind,
    version: 1,
    quote: {
      signed,
      signature: low(signed, changes.quoteSigner ?? attestationKey),
      attestationKey: point,
      qeReport,
      qeReportSignature: low(qeReport, changes.qeSigner ?? pckKey),
      qeAuthData,
      certificates: [root, authority, pck],
    },
    collateral: {
      rootRevocations: list("root", rootKey, changes.revocations?.root),
      pckRevocations: list("authority", authorityKey, changes.revocations?.pck),
      signer,
      tcbInfo,
      tcbInfoSignature: low(tcbInfo, textSigner),
      qeIdentity,
      qeIdentitySignature: low(qeIdentity, textSigner),
    },
  };
}

/** A document of Intel's kinds under a local root, proper but for the changes, and its root's fingerprint. */
export function makeDcap(kind: DcapKind, changes: DcapChanges = {}): { document: Uint8Array; roots: string[] } {
  const parts = makeDcapParts(kind, changes);
  const document = encodeDeterministic(changes.document?.(parts) ?? parts);
  return { document, roots: [fingerprint(parts.quote.certificates[0] ?? Buffer.alloc(0))] };
}

function same(content: Texts): Texts {
  return content;
}
