import { expect } from "chai";
import { encode } from "cborg";
import type { EvidenceRefusal } from "#attestation/refusedEvidence.ts";
import { accepted, expectRefusal } from "#test/attestation/expectRefusal.ts";
import {
  type CoseParts,
  makeNitroDocument,
  type NitroChanges,
  now,
  otherForm,
  properRegisters,
  stranger,
} from "#test/attestation/documents/nitroDocument.ts";

function refuse(changes: NitroChanges, reason: EvidenceRefusal, field?: string): void {
  const { document, roots } = makeNitroDocument(changes);
  const options = { now, roots: { nitro: roots } };
  expectRefusal("nitro", document, options, reason, field === undefined ? {} : { field });
}
function accept(changes: NitroChanges) {
  const { document, roots } = makeNitroDocument(changes);
  return accepted("nitro", document, { now, roots: { nitro: roots }, singleForm: true });
}
const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill);
const part =
  (changed: Partial<CoseParts>) =>
  (parts: CoseParts): CoseParts => ({ ...parts, ...changed });
const registers = (changed: Readonly<Record<number, Uint8Array | undefined>>) => {
  const pcrs = properRegisters();
  for (const [register, value] of Object.entries(changed)) {
    if (value) pcrs.set(Number(register), value);
    else pcrs.delete(Number(register));
  }
  return { fields: { pcrs } };
};

describe("A document in Nitro's format", () => {
  it("states measurement, registers, keys, challenge and time", () => {
    const evidence = accept({});
    expect(evidence).to.include({
      kind: "nitro",
      moduleId: "i-0123456789abcdef0-enc0123456789abcdef",
      publicKey: `0x${"04".repeat(65)}`,
      userData: `0x${"05".repeat(32)}`,
      nonce: `0x${"06".repeat(32)}`,
      timestamp: now,
    });
    expect(evidence).to.have.property("pcrs").that.has.property("size", 16);
  });

  describe("its frame", () => {
    it("is refused with bytes left over, cut short anywhere near an end, or too large", () => {
      const { document, roots } = makeNitroDocument();
      const options = { now, roots: { nitro: roots } };
      expectRefusal("nitro", Uint8Array.from([...document, 0]), options, "malformed");
      for (const length of [0, 1, 2, 6, 7, 20, document.length - 97, document.length - 1]) {
        expectRefusal("nitro", document.subarray(0, length), options, "malformed");
      }
      expectRefusal("nitro", bytes(30_001, 0x84), options, "malformed");
    });

    it("is refused in another encoding", () => {
      const { document, roots } = makeNitroDocument();
      const options = { now, roots: { nitro: roots } };
      const body = document.subarray(1);
      for (const [what, other] of [
        ["an array of indefinite length", [0x9f, ...body, 0xff]],
        ["a longer head", [0x98, 0x04, ...body]],
        ["another tag", [0xd3, ...document]],
        ["the tag twice", [0xd2, 0xd2, ...document]],
        ["a longer head of the header", [document[0], 0x58, ...document.subarray(1)]],
      ] as [string, number[]][]) {
        expect(() => expectRefusal("nitro", Uint8Array.from(other), options, "malformed"), what).not.to.throw();
      }
      expectRefusal("nitro", encode([1, 2, 3]), options, "malformed");
      expectRefusal("nitro", encode([new Uint8Array(), new Map(), 1, 2, 3]), options, "malformed");
      expectRefusal("nitro", encode("text"), options, "malformed");
    });

    it("does not exhaust the stack or memory by depth, number or length of values", () => {
      const options = { now, roots: { nitro: [] } };
      const heads = { depth: 0x81, count: 0x9a, entries: 0xba, bytes: 0x5b };
      for (const head of Object.values(heads)) {
        expectRefusal("nitro", Uint8Array.from([0x84, ...bytes(29_000, head)]), options, "malformed");
        expectRefusal("nitro", Uint8Array.from([0x84, head, ...bytes(29_000, 0x7f)]), options, "malformed");
        refuse({ payload: () => bytes(20_000, head) }, "malformed");
      }
      refuse({ payload: () => Uint8Array.from([0xbf, ...bytes(20_000, 0x9f)]) }, "malformed");
    });

    it("may carry the tag of a COSE_Sign1, but not to be admitted", () => {
      const { document, roots } = makeNitroDocument();
      const tagged = Uint8Array.from([0xd2, ...document]);
      accepted("nitro", tagged, { now, roots: { nitro: roots } });
      expectRefusal("nitro", tagged, { now, roots: { nitro: roots }, singleForm: true }, "second_form");
    });

    it("is refused with other headers, signed or not", () => {
      for (const header of [
        encode(new Map([[1, -7]])),
        encode(new Map([[1, -36]])),
        encode(
          new Map([
            [1, -35],
            [4, 1],
          ]),
        ),
        Uint8Array.from([0xa1, 0x01, 0x39, 0x00, 0x22]),
        new Uint8Array(),
      ]) {
        refuse({ header }, "bad_header");
      }
      refuse({ parts: part({ header: "text" }) }, "bad_header");
      refuse({ parts: part({ unprotected: new Map([[1, -35]]) }) }, "bad_header");
      refuse({ parts: part({ unprotected: [] }) }, "bad_header");
      refuse({ parts: part({ unprotected: new Uint8Array() }) }, "bad_header");
      refuse({ parts: part({ payload: null }) }, "malformed", "payload");
    });
  });

  describe("its signature", () => {
    it("is refused by another key, over another payload or header, and in another length", () => {
      refuse({ signer: stranger }, "bad_signature");
      refuse(
        { parts: ({ payload, ...rest }) => ({ ...rest, payload: raise(payload as Uint8Array) }) },
        "bad_signature",
      );
      refuse({ parts: part({ signature: bytes(96, 0) }) }, "bad_signature");
      refuse({ parts: part({ signature: bytes(96, 0xff) }) }, "bad_signature");
      refuse({ parts: part({ signature: bytes(95) }) }, "malformed", "signature");
      refuse({ parts: part({ signature: bytes(97) }) }, "malformed", "signature");
    });

    it("has a second form that says the same, and is not admitted", () => {
      const { document, roots } = makeNitroDocument({
        parts: (parts) => ({ ...parts, signature: otherForm(parts.signature) }),
      });
      const options = { now, roots: { nitro: roots } };
      accepted("nitro", document, options);
      expectRefusal("nitro", document, { ...options, singleForm: true }, "second_form");
    });
  });

  describe("its payload", () => {
    it("may be a map of indefinite length", () => {
      accept({ payload: (encoded) => Uint8Array.from([0xbf, ...encoded.subarray(1), 0xff]) });
    });

    it("is refused where a key comes twice, a head is longer than needed, or bytes are left over", () => {
      refuse(
        {
          payload: (encoded) =>
            Uint8Array.from([0xaa, ...encoded.subarray(1), ...encode("digest"), ...encode("SHA384")]),
        },
        "malformed",
      );
      refuse({ payload: (encoded) => Uint8Array.from([0xb8, 0x09, ...encoded.subarray(1)]) }, "malformed");
      refuse({ payload: (encoded) => Uint8Array.from([...encoded, 0xf6]) }, "malformed");
      refuse({ payload: () => encode([1]) }, "malformed", "payload");
      refuse({ payload: () => encode(new Map([[1, 2]])) }, "malformed", "payload");
    });

    it("is refused without a field that must be there, and with one that is not known", () => {
      for (const field of ["module_id", "digest", "timestamp", "pcrs", "cabundle"]) {
        refuse({ fields: { [field]: undefined } }, "malformed", field);
      }
      refuse({ fields: { certificate: undefined } }, "malformed", "certificate");
      refuse({ fields: { extra: 1 } }, "malformed");
    });

    it("may leave out public key, user data and nonce, or say null", () => {
      for (const value of [undefined, null]) {
        const evidence = accept({ fields: { public_key: value, user_data: value, nonce: value } });
        expect(evidence).to.include({ publicKey: undefined, userData: undefined, nonce: undefined });
      }
    });

    it("is refused with a field outside of its limits", () => {
      for (const [field, wrong] of [
        ["module_id", ["", 1, null]],
        ["digest", ["SHA256", "sha384", null]],
        ["timestamp", [0, -1, 1.5, "now", null]],
        ["public_key", [bytes(0), bytes(1025), "text"]],
        ["user_data", [bytes(1025), "text"]],
        ["nonce", [bytes(1025), 1]],
        ["certificate", [bytes(0), bytes(1025), "text", null]],
        ["pcrs", [new Map(), [], null]],
      ] as [string, unknown[]][]) {
        for (const value of wrong) {
          const text = `${field} ${String(value)}`;
          expect(() => refuse({ fields: { [field]: value } }, "malformed", field), text).not.to.throw();
        }
      }
      refuse({ fields: { timestamp: 2n ** 60n } }, "malformed");
      refuse({ fields: { cabundle: [] } }, "malformed", "cabundle");
      refuse({ fields: { cabundle: [bytes(1025)] } }, "malformed", "cabundle.0");
      accept({ fields: { public_key: bytes(1024), user_data: bytes(1024), nonce: bytes(1024) } });
      accept({ fields: { public_key: bytes(1), user_data: bytes(0), nonce: bytes(0) } });
    });
  });

  describe("its registers", () => {
    it("are numbered 0 to 31 and hold a digest", () => {
      accept(registers({ 31: bytes(48), 30: bytes(32), 29: bytes(64) }));
      for (const wrong of [{ 32: bytes(48) }, { [-1]: bytes(48) }, { 9: bytes(47) }, { 9: bytes(0) }]) {
        refuse(registers(wrong), "malformed");
      }
      refuse({ fields: { pcrs: new Map([["0", bytes(48)]]) } }, "malformed");
    });

    it("0 to 2 make the measurement, under the kind's name, and no other does", () => {
      const { measurement } = accept({});
      expect(accept(registers({ 3: bytes(48), 4: undefined, 8: bytes(48) })).measurement).to.equal(measurement);
      for (const register of [0, 1, 2]) {
        expect(accept(registers({ [register]: bytes(48) })).measurement).not.to.equal(measurement);
        refuse(registers({ [register]: undefined }), "malformed", `pcrs.${register}`);
        refuse(registers({ [register]: bytes(32) }), "malformed", `pcrs.${register}`);
      }
      const { document, roots } = makeNitroDocument();
      const simulated = accepted("simulated", document, { now, roots: { simulated: roots } });
      expect(simulated.measurement).not.to.equal(measurement);
    });

    it("are not those of an enclave that is debugged", () => {
      for (const register of [0, 1, 2]) {
        refuse(registers({ [register]: bytes(48, 0) }), "debug_mode", `pcrs.${register}`);
      }
    });
  });

  it("is from 300 seconds old to 60 seconds ahead", () => {
    const at = (seconds: number) => ({ fields: { timestamp: (now + seconds) * 1000 } });
    accept(at(-300));
    refuse(at(-301), "stale");
    accept(at(60));
    refuse(at(61), "from_the_future");
  });
});

function raise(payload: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(payload);
  // In module_id, which has no check of its own.
  changed[20] = (changed[20] ?? 0) ^ 1;
  return changed;
}
