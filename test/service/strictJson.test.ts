import { expect } from "chai";
import fc from "fast-check";
import { parseStrictJson } from "#service/strictJson.ts";

const read = (text: string): unknown => parseStrictJson(Buffer.from(text));

describe("strict JSON", () => {
  it("reads whatever JSON.stringify writes as JSON.parse does", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom("", " ", "\n\t"), (text, space) => {
        const spaced = JSON.stringify(JSON.parse(text), undefined, space);
        expect(read(spaced)).to.deep.equal(JSON.parse(spaced));
      }),
    );
  });

  const ambiguous: [string, string][] = [
    ["a key twice", '{"amount":"1","amount":"2"}'],
    ["a key twice with the same value", '{"a":1,"b":2,"a":1}'],
    ["a key twice, once with an escape", '{"amount":"1","\\u0061mount":"2"}'],
    ["a key twice, with space before the colon", '{"a" :1,"a"\n:2}'],
    ["a key twice in an inner object", '{"x":[{"a":{"b":1,"b":1}}]}'],
    ["a key twice behind a string that ends with a backslash", '{"a":"\\\\","b":1,"a":2}'],
    ["__proto__ twice", '{"__proto__":1,"__proto__":2}'],
  ];
  for (const [what, text] of ambiguous) {
    it(`refuses ${what}`, () => {
      expect(() => JSON.parse(text) as unknown).not.to.throw();
      expect(() => read(text)).to.throw(SyntaxError, /twice in one object/);
    });
  }

  it("takes the same key in different objects, and strings that look like keys", () => {
    for (const text of [
      '{"a":{"a":{"a":1}}}',
      '[{"a":1},{"a":1}]',
      '{"a":"a","b":"a"}',
      '["a","a"]',
      '{"a":"\\"a\\":"}',
    ]) {
      expect(read(text)).to.deep.equal(JSON.parse(text));
    }
  });

  it("refuses what nests deeper than 64 levels, however deep", () => {
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    expect(read(nested(64))).to.be.an("array");
    for (const depth of [65, 100_000]) {
      expect(() => read(nested(depth))).to.throw(SyntaxError, "nests deeper than 64 levels");
    }
  });

  it("refuses bytes that are no UTF-8", () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0xa2, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0xff, 0xfe, 0x22],
    ]) {
      expect(() => parseStrictJson(Uint8Array.from(bytes))).to.throw(TypeError);
    }
  });

  it("refuses what is no JSON", () => {
    for (const text of ["", "{", "{'a':1}", "[1,]", "NaN", "01", '"\u0000"', "1 2", "\ufeff{}"]) {
      expect(() => read(text), text).to.throw(SyntaxError);
    }
  });
});
