import { expect } from "chai";
import { readOnly } from "#attestation/x509/derReader.ts";
import { readTime } from "#attestation/x509/readTime.ts";
import { der } from "#test/attestation/documents/derWriter.ts";

const [utc, generalized] = [0x17, 0x18];
const read = (tag: number, text: string): number => readTime(readOnly(der(tag, Buffer.from(text)), tag));

describe("readTime", () => {
  it("reads two digits of a year as 1950 to 2049, four as they are", () => {
    expect(read(utc, "491231235959Z")).to.equal(Date.UTC(2049, 11, 31, 23, 59, 59) / 1000);
    expect(read(utc, "500101000000Z")).to.equal(Date.UTC(1950, 0, 1) / 1000);
    expect(read(generalized, "20500101000000Z")).to.equal(Date.UTC(2050, 0, 1) / 1000);
    expect(read(generalized, "99991231235959Z")).to.equal(Date.UTC(9999, 11, 31, 23, 59, 59) / 1000);
  });

  it("refuses days that do not exist, zones, fractions, and other kinds of values", () => {
    for (const text of ["300230000000Z", "301301000000Z", "300101240000Z", "300101006000Z", "300101000060Z"]) {
      expect(() => read(utc, text), text).to.throw("not well-formed");
    }
    for (const text of ["3001010000Z", "300101000000+0100", "300101000000", "3001010000000Z", ""]) {
      expect(() => read(utc, text), text).to.throw("not well-formed");
    }
    expect(() => read(generalized, "20300101000000.5Z")).to.throw("not well-formed");
    expect(() => read(0x0c, "300101000000Z")).to.throw("not well-formed");
  });
});
