import type { EvidenceKind } from "#attestation/evidence.ts";
import type { VerifyOptions } from "#attestation/verifyEvidence.ts";
import { makeDcap } from "#test/attestation/documents/dcapDocument.ts";
import { makeChain, makeNitroDocument, now, otherForm } from "#test/attestation/documents/nitroDocument.ts";
import { makeSnp } from "#test/attestation/documents/snpDocument.ts";
import { readRealDocuments } from "#test/attestation/realDocuments.ts";
import { mutateCertificate } from "./mutateTree.ts";
import type { Random } from "./random.ts";

/** A document that holds, and what is tried with it besides what is tried with all. */
export interface Subject {
  name: string;
  kind: EvidenceKind;
  document: Uint8Array;
  options: VerifyOptions;
  attacks: readonly ((random: Random) => Uint8Array)[];
}

/**
 * Documents of every kind under local roots, and the real ones below a folder where one is given. All are in the single form in
 * which evidence is admitted: no byte of any of them may change.
 */
export function makeSubjects(fixtures: string | undefined): Subject[] {
  const minimumTcb = { bootLoader: 0, tee: 0, snp: 0, microcode: 0 };
  const nitro = makeNitroDocument();
  const snp = makeSnp();
  const common = { attacks: [] };
  const withIntel = (["tdx", "sgx"] as const).map((kind) => {
    const { document, roots } = makeDcap(kind);
    return { ...common, name: kind, kind, document, options: options({ [kind]: roots }) };
  });
  const real = fixtures === undefined ? [] : readRealDocuments(fixtures);
  return [
    {
      name: "nitro",
      kind: "nitro",
      document: nitro.document,
      options: options({ nitro: nitro.roots }),
      attacks: onNitro,
    },
    ...withIntel,
    {
      ...common,
      name: "sev-snp",
      kind: "sev-snp",
      document: snp.document,
      options: options({ "sev-snp": { roots: snp.roots, minimumTcb } }),
    },
    ...real.map((document) => ({ ...common, ...document })),
  ];
}

/** What somebody tries who has the enclave's key, or no key and both halves of a signature. */
const onNitro: Subject["attacks"] = [
  // The document's signature holds, so that the changed certificate is looked at.
  (random) => {
    const changed = random.below(5);
    return makeNitroDocument({
      chain: (issued) =>
        issued.map((certificate, place) => (place === changed ? mutateCertificate(certificate, random) : certificate)),
    }).document;
  },
  (random) => {
    const changed = random.below(4);
    const bundle = makeChain().map((certificate, place) =>
      place === changed ? random.bytes(certificate.length) : certificate,
    );
    return makeNitroDocument({ chain: () => bundle }).document;
  },
  () => makeNitroDocument({ parts: (parts) => ({ ...parts, signature: otherForm(parts.signature) }) }).document,
  () => Uint8Array.from([0xd2, ...makeNitroDocument().document]),
  (random) =>
    makeNitroDocument({ parts: (parts) => ({ ...parts, unprotected: new Map([[random.below(40), random.bytes(4)]]) }) })
      .document,
];

function options(roots: VerifyOptions["roots"]): VerifyOptions {
  return { now, roots, singleForm: true };
}
